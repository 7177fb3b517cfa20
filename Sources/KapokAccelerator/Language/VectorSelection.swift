extension VectorEngine {
    /// Elements of one group of ``statistics(into:_:file:line:)``, by the instruction's
    /// documentation.
    public static let maximumStatisticsElements = 512
    /// Elements that ``largest8(into:_:file:line:)`` looks through, by the instruction's
    /// documentation.
    public static let largest8Elements = 8...16_384

    /// Count, mean and sum of squared deviations of each partition's elements (at most 512), into
    /// P x 3. Several groups side by side are joined by ``aggregate(into:_:file:line:)``.
    public func statistics(
        into result: Tile<SBUF, FP32>, _ input: Tile<some TileSpace, some TileElement>,
        file: StaticString = #fileID, line: Int = #line
    ) {
        var emission = Emission(tracer, .bnStats, on: .vector, at: Site(file, line))
        emission.requireElements(
            result.region, partitions: input.partitionCount, elements: 3, "the result")
        if input.region.isValid, input.elementsPerPartition > Self.maximumStatisticsElements {
            emission.refuse(
                .shape, "statistics of \(input.elementsPerPartition) elements",
                why: "one group has at most \(Self.maximumStatisticsElements)",
                remedy: "cut the row into groups, and join them with `aggregate`")
        }
        emission.instruction.source0 = emission.read(input.region)
        emission.write(result.region)
        emission.finish()
    }

    /// Mean and variance (P x 2) over all groups of three in `groups`.
    public func aggregate(
        into result: Tile<SBUF, FP32>, _ groups: Tile<SBUF, FP32>,
        file: StaticString = #fileID, line: Int = #line
    ) {
        var emission = Emission(tracer, .bnAggregate, on: .vector, at: Site(file, line))
        emission.requireElements(
            result.region, partitions: groups.partitionCount, elements: 2, "the result")
        if groups.region.isValid, groups.elementsPerPartition % 3 != 0 {
            emission.refuse(
                .shape, "aggregate of \(groups.elementsPerPartition) elements a partition",
                why: "each group of statistics has three",
                remedy: "give it exactly the groups that `statistics` wrote")
        }
        emission.instruction.source0 = emission.read(groups.region)
        emission.write(result.region)
        emission.finish()
    }

    /// The eight largest values of each partition, in descending order, into P x 8.
    public func largest8(
        into result: Tile<SBUF, some TileElement>, _ input: Tile<some TileSpace, some TileElement>,
        file: StaticString = #fileID, line: Int = #line
    ) {
        var emission = Emission(tracer, .max8, on: .vector, at: Site(file, line))
        emission.requireElements(
            result.region, partitions: input.partitionCount, elements: 8, "the result")
        requireSearchable(input.region, &emission)
        emission.instruction.source0 = emission.read(input.region)
        emission.write(result.region)
        emission.finish()
    }

    /// Where in `input` the eight `values` of each partition stand; for equal values the next
    /// occurrence each.
    public func findIndex8(
        into result: Tile<SBUF, Unsigned32>, values: Tile<SBUF, some TileElement>,
        in input: Tile<some TileSpace, some TileElement>, file: StaticString = #fileID,
        line: Int = #line
    ) {
        var emission = Emission(tracer, .findIndex8, on: .vector, at: Site(file, line))
        let partitions = input.partitionCount
        emission.requireElements(
            result.region, partitions: partitions, elements: 8, "the result")
        emission.requireElements(
            values.region, partitions: partitions, elements: 8, "the values")
        requireSearchable(input.region, &emission)
        emission.instruction.source0 = emission.read(values.region)
        emission.instruction.source1 = emission.read(input.region)
        emission.write(result.region)
        emission.finish()
    }

    /// `result = input` with the first occurrence of each of the eight `values` replaced by
    /// `replacement`.
    public func matchReplace8(
        into result: Tile<SBUF, some TileElement>, _ input: Tile<some TileSpace, some TileElement>,
        values: Tile<SBUF, some TileElement>, replacement: Float, file: StaticString = #fileID,
        line: Int = #line
    ) {
        var emission = Emission(tracer, .matchReplace8, on: .vector, at: Site(file, line))
        emission.requireSameShape(input.region, result.region)
        emission.requireElements(
            values.region, partitions: input.partitionCount, elements: 8, "the values")
        requireSearchable(input.region, &emission)
        emission.instruction.immediate0 = replacement
        emission.instruction.source0 = emission.read(input.region)
        emission.instruction.source1 = emission.read(values.region)
        emission.write(result.region)
        emission.finish()
    }

    private func requireSearchable(_ input: TileRegion, _ emission: inout Emission) {
        let elements = input.layout.elements()
        guard input.isValid, !Self.largest8Elements.contains(elements) else { return }
        emission.refuse(
            .shape, "a search through \(elements) elements a partition",
            why: "the instruction takes \(Self.largest8Elements.lowerBound) to "
                + "\(Self.largest8Elements.upperBound)",
            remedy: "cut the row into pieces and search their results again")
    }
}
