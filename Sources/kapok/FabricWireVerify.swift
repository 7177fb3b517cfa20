import KapokFabric
struct FabricWireVerify {
    var fabric: Fabric; var topologyName: String; var path: String; var json: Bool
    func run() throws {}
}
