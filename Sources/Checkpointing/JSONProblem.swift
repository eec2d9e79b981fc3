import Foundation

/// What is wrong with a JSON document, with the path to the place, in one line.
func jsonProblem(_ error: any Error) -> String {
    func place(_ path: [any CodingKey]) -> String {
        let steps = path.map { key in key.intValue.map { "[\($0)]" } ?? key.stringValue }
        return steps.isEmpty ? "" : "at \(steps.joined(separator: " › ")): "
    }
    switch error {
    case DecodingError.keyNotFound(let key, let context):
        return "\(place(context.codingPath))\(key.stringValue.debugDescription) is missing"
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
        DecodingError.dataCorrupted(let context):
        return place(context.codingPath) + context.debugDescription
    default:
        return String(describing: error)
    }
}
