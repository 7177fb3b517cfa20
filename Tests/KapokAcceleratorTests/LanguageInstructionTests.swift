import Testing

@testable import KapokAccelerator

@Suite("The kernel language: instructions and views")
struct LanguageInstructionTests {
    let machine: Machine

    init() throws { machine = try Machine(.trainium2) }

    @Test("every opcode can be written, and each instruction goes to the engine that was named")
    func everyOpcode() throws {
        let traced = try TracedKernel.trace("all", on: machine) { k in
            let x = k.input("x", [16, 128], FP32.self)
            let a = k.sbuf("a", [128, 16], FP32.self)
            let b = k.sbuf("b", [128, 16], FP32.self)
            let eight = k.sbuf("eight", [128, 8], FP32.self)
            let where8 = k.sbuf("where", [128, 8], Unsigned32.self)
            let groups = k.sbuf("groups", [128, 2, 3], FP32.self)
            let p = k.psum("p", [16, 16])
            let t = k.psum("t", [16, 128])
            k.nop(on: .sync)
            k.sync.transfer(into: k.scratch("copy", [16, 128], FP32.self), from: x)
            k.loadTransposed(into: a, from: x)
            k.gpsimd.iota(into: b, base: 1, perPartition: 2, perElement: -1)
            k.tensor.matmul(into: p, stationary: a, moving: b)
            k.tensor.multiply(into: p, stationary: a, moving: b, accumulate: true)
            k.tensor.transpose(into: t, a, identity: k.identity(of: FP32.self))
            k.vector.subtract(into: b, a, b)
            k.vector.maximum(into: b, a, b)
            k.vector.scalarTensorTensor(into: b, a, .multiply, .column(a[.all, 0]), .add, b)
            k.vector.reduce(.add, into: b[.all, 0], a)
            k.vector.reciprocal(into: b, a)
            k.vector.scan(into: b, decay: a, input: a)
            k.vector.copyPredicated(into: b, a, where: a)
            k.vector.largest8(into: eight, a)
            k.vector.findIndex8(into: where8, values: eight, in: a)
            k.vector.matchReplace8(into: b, a, values: eight, replacement: -1)
            k.vector.statistics(into: groups[.all, 0], a)
            k.vector.statistics(into: groups[.all, 1], b)
            k.vector.aggregate(into: a[.all, 0..<2], groups)
            k.gpsimd.partitionReduce(.max, into: b[0..<1], a)
            k.gpsimd.tensorScalar(into: b, a, .add, 1, .max, .column(a[.all, 3]))
            k.scalar.activation(.gelu, into: b, a, scale: 2, bias: .column(a[.all, 0]))
            k.roundingStochastically { k.scalar.copy(into: b, a) }
        }
        #expect(Set(traced.instructions.map(\.opcode)) == Set(Opcode.allCases))
        #expect(Set(traced.instructions.map(\.engine)) == Set(Engine.allCases))
        let last = try #require(traced.instructions.last)
        #expect(last.flags == [.stochastic] && last.engine == .scalar)
        let activation = traced.instructions[traced.instructions.count - 2]
        #expect(activation.flags == [.scalar1] && activation.immediate0 == 2)
        #expect(activation.operation0 == Activation.gelu.rawValue)
        let iota = try #require(traced.instructions.first { $0.opcode == .iota })
        #expect(iota.source1 == 2 && iota.source2 == UInt32(bitPattern: -1))
    }

    @Test("a loaded stationary matrix serves several multiplications, and stands before each group")
    func stationaryReuse() throws {
        let traced = try TracedKernel.trace("reuse", on: machine) { k in
            let a = k.sbuf("a", [128, 128], BFloat16.self)
            let b = k.sbuf("b", [128, 1024], BFloat16.self)
            k.vector.memset(a, to: 1)
            k.vector.memset(b, to: 1)
            let sums = k.psum("sums", [128, 1024])
            k.tensor.matmul(into: sums[.all, ..<512], stationary: a, moving: b[.all, ..<512])
            k.tensor.multiply(into: sums[.all, 512...], stationary: a, moving: b[.all, 512...])
        }
        #expect(
            traced.instructions.suffix(3).map(\.opcode)
                == [.loadStationary, .multiplyMoving, .multiplyMoving])
        let second = traced.patterns[Int(traced.instructions[4].destination)]
        #expect(second.offset == 2048 && second.elementsPerPartition == 512)
    }

    @Test("equal accesses share one pattern, also when they were sliced in different ways")
    func patternsAreShared() throws {
        let traced = try TracedKernel.trace("patterns", on: machine) { k in
            let a = k.sbuf("a", [128, 4, 32], FP32.self)
            k.vector.memset(a, to: 0)
            k.vector.memset(a.merged(1), to: 0)
            k.vector.memset(a[.all, 0...3, .all], to: 0)
            k.vector.memset(a.split(2, inner: 8), to: 0)
            k.vector.memset(a.permuted([2, 1]), to: 0)
        }
        #expect(traced.patterns.count == 2)
        let permuted = traced.patterns[1]
        #expect(permuted.dimension2 == FreeDimension(count: 32, stride: 1))
        #expect(permuted.dimension3 == FreeDimension(count: 4, stride: 32))
    }

    @Test("views of tensors: rows and columns exchanged, strides, a row in every partition")
    func tensorViews() throws {
        let traced = try TracedKernel.trace("views", on: machine) { k in
            let x = k.input("x", [4, 96, 10], FP16.self)
            let row = k.input("row", [10], FP16.self)
            let tile = k.sbuf("tile", [96, 4, 10], FP16.self)
            k.load(into: tile, from: x.permuted([1, 0, 2]))
            k.load(into: tile[.all, 2, .all], from: row.broadcast(partitions: 96))
            k.load(into: tile[0..<48, 0, 0..<5], from: x[3, .every(2), .every(2)])
            k.load(into: tile[0..<1, 0, .all], from: row.asRow())
        }
        func source(_ index: Int) -> AccessPattern {
            traced.patterns[Int(traced.instructions[index].source0)]
        }
        #expect(source(0).partitionCount == 96 && source(0).partitionStride == 10)
        #expect(source(0).dimension2 == FreeDimension(count: 4, stride: 960))
        #expect(source(0).dimension3 == FreeDimension(count: 10, stride: 1))
        #expect(source(1).partitionCount == 96 && source(1).partitionStride == 0)
        #expect(source(2).partitionCount == 48 && source(2).partitionStride == 20)
        #expect(source(2).offset == 3 * 960 * 2)
        #expect(source(2).dimension3 == FreeDimension(count: 5, stride: 2))
        #expect(source(3).partitionCount == 1 && source(3).elementsPerPartition == 10)
    }

    @Test("a kernel generic over its element type is instantiated from a run-time value")
    func runTimeTypes() throws {
        func body<Element: TileElement>(_ k: KernelBuilder, _ type: Element.Type) {
            k.vector.memset(k.sbuf("a", [128, 4], type), to: 1)
        }
        for type in ElementType.allCases {
            let traced = try TracedKernel.trace("typed", on: machine) { body($0, type.tag) }
            #expect(traced.tiles[0].type == type && traced.patterns[0].type == type)
            #expect((type.matrixTag != nil) == type.isFloatingPoint)
        }
    }

    @Test("loops: names, indices, nesting, and each tile of a line is fresh")
    func loops() throws {
        let traced = try TracedKernel.trace("loops", on: machine) { k in
            k.loop("outer", 1..<3) { outer in
                k.loop("inner", over: 5, by: 2) { inner in
                    k.vector.memset(k.sbuf("a", [inner.count, outer], FP32.self), to: 0)
                }
                k.nop(on: .vector)
            }
            k.nop(on: .vector)
        }
        #expect(traced.loops.map(\.name) == ["outer", "inner"])
        #expect(traced.tiles.map(\.partitionCount) == [2, 2, 1, 2, 2, 1])
        #expect(traced.iterations.count == 8)
        #expect(traced.iterations.map(\.index) == [0, 0, 1, 2, 1, 0, 1, 2])
        #expect(traced.iterations[7].parent == 4 && traced.iterations[4].parent == .max)
        #expect(traced.iterationOfInstruction == [1, 2, 3, 0, 5, 6, 7, 4, LoopIteration.none])
    }

    @Test("two FP8 rows a partition: the product over K = 256 has the right values")
    func doubleRows() throws {
        let traced = try TracedKernel.trace("double", on: machine) { k in
            let a = k.input("a", [128, 2, 3], FP8E4M3.self)
            let b = k.input("b", [128, 2, 4], FP8E4M3.self)
            let c = k.output("c", [3, 4], FP32.self)
            let left = k.sbuf("left", [128, 2, 3], FP8E4M3.self)
            let right = k.sbuf("right", [128, 2, 4], FP8E4M3.self)
            let sum = k.psum("sum", [3, 4])
            let result = k.sbuf("result", [3, 4], FP32.self)
            k.load(into: left, from: a)
            k.load(into: right, from: b)
            k.tensor.matmulDouble(into: sum, stationary: left, moving: right)
            k.scalar.copy(into: result, sum)
            k.store(into: c, from: result)
        }
        let a = (0..<768).map { Float($0 % 7 - 3) }
        let b = (0..<1024).map { Float($0 % 5 - 2) }
        let c = try KernelsHarness.run(traced, inputs: ["a": a, "b": b])["c"]
        var expected = [Float](repeating: 0, count: 12)
        for k in 0..<256 {
            for row in 0..<3 {
                for column in 0..<4 {
                    expected[row * 4 + column] += a[k * 3 + row] * b[k * 4 + column]
                }
            }
        }
        #expect(c == expected)
    }
}
