public import OrderedCollections

/// A JSON value (RFC 8259) that keeps the order of an object's members and tells whole numbers
/// from fractions: templates and schemas depend on both.
public enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    /// A number written without fraction and exponent that fits.
    case integer(Int64)
    /// Any other number.
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)
}

/// The members of an object, in the order in which they were written.
public typealias JSONObject = OrderedDictionary<String, JSONValue>
