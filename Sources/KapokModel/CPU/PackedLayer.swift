import CKernels

/// A matrix as the kernels read it. Plain values: nothing here is counted by reference.
struct PackedMatrix {
    var type: kapok_weight_type
    var columns: Int
    var rows: Int
    var weights: UnsafeRawPointer

    /// Groups of 16 rows, the last perhaps not full.
    var groups: Int { (rows + 15) / 16 }
    /// Which form of activations it wants.
    var form: ActivationForm {
        kapok_linear_same_activations(type, KAPOK_WEIGHT_F32) != 0 ? .floats : .bytes
    }
}

/// The forms of activations that the kernels tell apart.
enum ActivationForm {
    case floats
    case bytes

    /// A type of weights that wants this form.
    var example: kapok_weight_type { self == .floats ? KAPOK_WEIGHT_F32 : KAPOK_WEIGHT_Q8_0 }
}

/// The forms that the matrices over one input want.
struct ActivationForms {
    var floats = false
    var bytes = false

    init(_ matrices: PackedMatrix...) {
        for matrix in matrices {
            if matrix.form == .floats { floats = true } else { bytes = true }
        }
    }
}

/// The weights of a block as the kernels read them.
struct PackedLayer {
    var attentionNorm: UnsafePointer<Float>
    var query: PackedMatrix
    var key: PackedMatrix
    var value: PackedMatrix
    /// Query, key and value biases one after another, where the model has them.
    var bias: UnsafePointer<Float>?
    var queryNorm: UnsafePointer<Float>?
    var keyNorm: UnsafePointer<Float>?
    var output: PackedMatrix
    var feedForwardNorm: UnsafePointer<Float>
    var gate: PackedMatrix
    var up: PackedMatrix
    var down: PackedMatrix
    /// Whether positions turn queries and keys.
    var rotates: Bool
}
