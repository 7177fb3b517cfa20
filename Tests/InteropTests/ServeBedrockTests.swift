import Testing

/// AWS' own client against `kapok serve`, with the model that KAPOK_MODEL names.
@Suite("Interop: Bedrock", .serialized)
struct ServeBedrockTests {
    @Test(
        "boto3 bedrock-runtime: converse, invoke, streams, tools, signatures, exceptions",
        .enabled(if: ServedModelFile.isThere, ServedModelFile.reason),
        .enabled(if: ServeClients.boto3, "boto3 and jsonschema are not installed"))
    func bedrock() throws { try Script("serve_bedrock.py", minutes: 3, fullMinutes: 5).run() }
}
