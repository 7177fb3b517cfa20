import Hummingbird
import ArgumentParser
print("kapok")
