/// The instructions that several of the elementwise engines share, on tiles without their Swift
/// types. The engines' methods give them names and legal memory spaces.
struct ElementwiseInstructions {
    let tracer: Tracer
    let engine: Engine

    func tensorTensor(
        _ operation: ALUOperation, _ result: TileRegion, _ a: TileRegion, _ b: TileRegion,
        _ site: Site
    ) {
        var emission = Emission(tracer, .tensorTensor, on: engine, at: site)
        emission.requireSameShape(a, result)
        emission.requireSameShape(b, result)
        if a.space == .psum, b.space == .psum {
            emission.refuse(
                .engine, "\(engine.name).tensorTensor with both inputs in PSUM",
                why: "the engine has one read path to PSUM",
                remedy: "copy one of them to SBUF first")
        }
        emission.instruction.operation0 = operation.rawValue
        emission.instruction.source0 = emission.read(a)
        emission.instruction.source1 = emission.read(b)
        emission.write(result)
        emission.finish()
    }

    func tensorScalar(
        _ result: TileRegion, _ input: TileRegion, _ operation0: ALUOperation,
        _ scalar0: ScalarOperand, _ operation1: ALUOperation, _ scalar1: ScalarOperand,
        reverse: (Bool, Bool), _ site: Site
    ) {
        var emission = Emission(tracer, .tensorScalar, on: engine, at: site)
        emission.requireSameShape(input, result)
        emission.instruction.operation0 = operation0.rawValue
        emission.instruction.operation1 = operation1.rawValue
        if reverse.0 { emission.instruction.flags.insert(.reverse0) }
        if reverse.1 { emission.instruction.flags.insert(.reverse1) }
        emission.instruction.source0 = emission.read(input)
        let partitions = result.partitionCount
        var number: Float = 0
        if let index = emission.scalar(
            scalar0, partitions: partitions, "the first scalar", number: &number)
        {
            emission.instruction.source1 = index
            emission.instruction.flags.insert(.scalar0)
        }
        emission.instruction.immediate0 = number
        number = 0
        if let index = emission.scalar(
            scalar1, partitions: partitions, "the second scalar", number: &number)
        {
            emission.instruction.source2 = index
            emission.instruction.flags.insert(.scalar1)
        }
        emission.instruction.immediate1 = number
        emission.write(result)
        emission.finish()
    }

    func scalarTensorTensor(
        _ result: TileRegion, _ a: TileRegion, _ operation0: ALUOperation,
        _ scalar: ScalarOperand, _ operation1: ALUOperation, _ b: TileRegion, reverse: (Bool, Bool),
        _ site: Site
    ) {
        var emission = Emission(tracer, .scalarTensorTensor, on: engine, at: site)
        emission.requireSameShape(a, result)
        emission.requireSameShape(b, result)
        if a.space == .psum, b.space == .psum {
            emission.refuse(
                .engine, "\(engine.name).scalarTensorTensor with both inputs in PSUM",
                why: "the engine has one read path to PSUM",
                remedy: "copy one of them to SBUF first")
        }
        emission.instruction.operation0 = operation0.rawValue
        emission.instruction.operation1 = operation1.rawValue
        if reverse.0 { emission.instruction.flags.insert(.reverse0) }
        if reverse.1 { emission.instruction.flags.insert(.reverse1) }
        emission.instruction.source0 = emission.read(a)
        emission.instruction.source1 = emission.read(b)
        var number: Float = 0
        if let index = emission.scalar(
            scalar, partitions: result.partitionCount, "the scalar", number: &number)
        {
            emission.instruction.source2 = index
            emission.instruction.flags.insert(.scalar0)
        }
        emission.instruction.immediate0 = number
        emission.write(result)
        emission.finish()
    }

    /// `d = s0`: copies with conversion, and reciprocals.
    func unary(_ opcode: Opcode, _ result: TileRegion, _ input: TileRegion, _ site: Site) {
        var emission = Emission(tracer, opcode, on: engine, at: site)
        emission.requireSameShape(input, result)
        emission.instruction.source0 = emission.read(input)
        emission.write(result)
        emission.finish()
    }

    func memset(_ result: TileRegion, _ value: Float, _ site: Site) {
        var emission = Emission(tracer, .memset, on: engine, at: site)
        emission.instruction.immediate0 = value
        emission.write(result)
        emission.finish()
    }

    func reduce(
        _ operation: ALUOperation, _ result: TileRegion, _ input: TileRegion, negate: Bool,
        _ site: Site
    ) {
        var emission = Emission(tracer, .tensorReduce, on: engine, at: site)
        let kept = result.layout.elements()
        let all = input.layout.elements()
        if input.isValid, result.isValid,
            input.partitionCount != result.partitionCount || all % kept != 0
        {
            emission.refuse(
                .shape,
                "\(engine.name).tensorReduce of \(input.partitionCount) x \(all) into "
                    + "\(result.partitionCount) x \(kept)",
                why: "it keeps partitions and outer dimensions, and reduces the innermost ones",
                remedy: "give the result one element for each group of elements that follow another"
            )
        }
        emission.instruction.operation0 = operation.rawValue
        if negate { emission.instruction.flags.insert(.negate) }
        emission.instruction.source0 = emission.read(input)
        emission.write(result)
        emission.finish()
    }

    func copyPredicated(
        _ result: TileRegion, _ input: TileRegion, _ predicate: TileRegion, _ site: Site
    ) {
        var emission = Emission(tracer, .copyPredicated, on: engine, at: site)
        emission.requireSameShape(input, result)
        emission.requireSameShape(predicate, result)
        if emission.isLegal, !tracer.hasContents(result) {
            emission.refuse(
                .uninitialised, "copyPredicated into a tile that nothing was written to",
                why: "elements whose predicate is zero keep their old value",
                remedy: "write the values for a predicate of zero first")
        }
        emission.instruction.source0 = emission.read(input)
        emission.instruction.source1 = emission.read(predicate)
        emission.write(result)
        emission.finish()
    }
}
