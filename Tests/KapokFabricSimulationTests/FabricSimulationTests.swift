import KapokFabric
import Testing
