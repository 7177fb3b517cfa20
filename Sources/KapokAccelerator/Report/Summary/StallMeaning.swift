extension StallReason {
    /// What it means, in one sentence for people.
    var meaning: String {
        switch self {
        case .data: "an operand was still being computed, or its producer had not started"
        case .antiDependence: "the culprit still had to read what is to be overwritten"
        case .outputDependence: "the culprit still had to write what is to be overwritten"
        case .psumBank: "the culprit still used the PSUM bank"
        case .dmaTransfer: "a transfer was moving the data"
        case .dmaQueue: "a transfer stood behind other transfers"
        case .descriptor: "a transfer's descriptors were being generated, or waited for it"
        case .dmaLatency: "the fixed latencies of a transfer: its start and completion"
        case .resultLatency: "computed, but the result was not in memory yet"
        case .semaphoreLatency: "the result was there, but its semaphore had not been seen yet"
        case .issueInterval: "the engine's shortest time between two instructions"
        case .queueOrder: "an instruction before it in the same queue had not started"
        case .sharedBus: "another engine used the path to memory that both share"
        case .memoryContention: "other cores used the HBM"
        case .throttle: "power management held the engine back"
        case .programEnd: "nothing was left to do"
        }
    }
}
