import Yams

/// `a.b=c` from the command line: puts a YAML value at a path of the document before it is decoded.
struct Override {
    /// How an error names it: `--set a.b=c`.
    let text: String
    /// The keys on the way to the value.
    let keys: [String]
    let value: Node

    var path: String { keys.joined(separator: ".") }

    private static let mostKeys = 16

    init(_ argument: String) throws(JobError) {
        text = "--set \(argument)"
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        keys = parts[0].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, keys.allSatisfy({ !$0.isEmpty }) else {
            let problem = JobProblem(
                location: text, message: "expected KEY=VALUE with a dotted key",
                remedy: "write for example --set training.steps=500")
            throw JobError(problems: [problem])
        }
        // The document would be nested as deeply, and taking it apart goes as deep.
        guard keys.count <= Self.mostKeys else {
            let problem = JobProblem(
                location: "--set \(argument.prefix(40))…",
                message: "expected a key of at most \(Self.mostKeys) parts, found \(keys.count)",
                remedy: "write for example --set training.steps=500")
            throw JobError(problems: [problem])
        }
        value = try composeYAML(String(parts[1]), name: text) ?? Node("", Tag(.null))
    }

    /// Returns the document with the value in place. Sections on the way to it are made where they are missing.
    func applied(to root: Node) throws(JobError) -> Node {
        try Self.replace(in: root, keys: keys[...], value: value, text: text)
    }

    private static func replace(
        in node: Node, keys: ArraySlice<String>, value: Node, text: String
    ) throws(JobError) -> Node {
        guard let key = keys.first else { return value }
        var mapping: Node.Mapping
        switch node {
        case .mapping(let existing): mapping = existing
        case .scalar(let scalar) where scalar.isNull: mapping = Node.Mapping([])
        default:
            let problem = JobProblem(
                location: text, message: "there are no keys to set below \(foundText(node))",
                remedy: "set the whole value instead, or correct the key before '.\(key)'")
            throw JobError(problems: [problem])
        }
        let child = mapping[key] ?? Node("", Tag(.null))
        mapping[key] = try replace(in: child, keys: keys.dropFirst(), value: value, text: text)
        return .mapping(mapping)
    }
}
