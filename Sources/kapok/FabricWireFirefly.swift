import KapokFabric
struct FabricWireFirefly {
    var plan: WiringPlan; var name: String; var seed: UInt64; var json: Bool
    func run() throws {}
}
