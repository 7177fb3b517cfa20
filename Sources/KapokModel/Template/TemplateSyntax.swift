/// An expression of a template.
indirect enum TemplateExpression: Sendable {
    case constant(TemplateValue)
    case name(String, TemplatePlace)
    case list([TemplateExpression])
    case dictionary([(TemplateExpression, TemplateExpression)], TemplatePlace)
    case attribute(TemplateExpression, String, TemplatePlace)
    case item(TemplateExpression, TemplateExpression, TemplatePlace)
    case slice(TemplateExpression, TemplateSlice, TemplatePlace)
    case call(TemplateExpression, TemplateArguments, TemplatePlace)
    case filter(TemplateExpression, String, TemplateArguments, TemplatePlace)
    case test(TemplateExpression, String, TemplateArguments, TemplatePlace)
    case not(TemplateExpression)
    case and(TemplateExpression, TemplateExpression)
    case or(TemplateExpression, TemplateExpression)
    case negative(TemplateExpression, TemplatePlace)
    case positive(TemplateExpression, TemplatePlace)
    case arithmetic(TemplateOperator, TemplateExpression, TemplateExpression, TemplatePlace)
    case concatenation([TemplateExpression], TemplatePlace)
    /// `a < b <= c`: each neighbour is compared.
    case comparison(TemplateExpression, [(TemplateComparison, TemplateExpression)], TemplatePlace)
    /// `a if b else c`.
    case conditional(TemplateExpression, TemplateExpression, TemplateExpression?)
}

enum TemplateOperator: String, Sendable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case floorDivide = "//"
    case modulo = "%"
    case power = "**"
}

enum TemplateComparison: String, Sendable {
    case equal = "=="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    case within = "in"
    case notWithin = "not in"
}

/// `[start:stop:step]`.
struct TemplateSlice: Sendable {
    var start: TemplateExpression?
    var stop: TemplateExpression?
    var step: TemplateExpression?
}

/// Arguments of a call, filter or test.
struct TemplateArguments: Sendable {
    var positional: [TemplateExpression] = []
    var named: [(String, TemplateExpression)] = []
}

/// Where a value is put.
enum TemplateTarget: Sendable {
    case name(String)
    case attribute(String, String, TemplatePlace)
    case tuple([String], TemplatePlace)
}

/// A macro's definition.
struct TemplateMacro: Sendable {
    var name: String
    var parameters: [(name: String, standard: TemplateExpression?)]
    var body: [TemplateStatement]
    var place: TemplatePlace
}

/// A loop's parts.
struct TemplateLoop: Sendable {
    var target: TemplateTarget
    var sequence: TemplateExpression
    var condition: TemplateExpression?
    var body: [TemplateStatement]
    var otherwise: [TemplateStatement]
    var place: TemplatePlace
}

/// A statement of a template.
indirect enum TemplateStatement: Sendable {
    case data(String)
    case output(TemplateExpression, TemplatePlace)
    case conditional([(TemplateExpression, [TemplateStatement])], otherwise: [TemplateStatement])
    case loop(TemplateLoop)
    case set(TemplateTarget, TemplateExpression, TemplatePlace)
    case setBlock(TemplateTarget, [TemplateStatement], filters: [TemplateFilter], TemplatePlace)
    case macro(TemplateMacro)
    case call(TemplateMacro, TemplateExpression, TemplatePlace)
    case filterBlock([TemplateFilter], [TemplateStatement], TemplatePlace)
    case with([(TemplateTarget, TemplateExpression)], [TemplateStatement], TemplatePlace)
    /// Statements that stand for themselves: `generation`.
    case group([TemplateStatement])
    case breakLoop
    case continueLoop
}

/// A filter that is applied to a block.
struct TemplateFilter: Sendable {
    var name: String
    var arguments: TemplateArguments
    var place: TemplatePlace
}
