import Yams

/// A section of the job document, described by its keys in the order in which they are printed. Decoding, printing,
/// suggestions and messages all follow this one description.
protocol Section {
    static var fields: [Field<Self>] { get }
}

/// One key of a section.
struct Field<Owner> {
    let key: String
    /// What the value is, as a noun phrase: it completes "steps is …" in messages and is printed as a comment.
    let about: String
    var isRequired = false
    /// Keys below this one, as dotted paths.
    var subkeys: [String] = []
    /// Those of them that must be given.
    var requiredSubkeys: [String] = []
    /// Reads the value from a node that stands at a path of the document.
    let decode: (_ node: Node, _ owner: inout Owner, _ path: String, _ context: DecodingContext) -> Void
    let print: (Owner) -> PrintedValue
}

enum PrintedValue {
    /// One line of YAML.
    case line(String)
    /// Lines of a nested section, indented by the caller.
    case section([String])
    /// An optional value that is not there.
    case absent
}

extension Section {
    /// Every key of the section and of those below it, as dotted paths.
    static var allKeys: [String] {
        fields.flatMap { field in [field.key] + field.subkeys.map { "\(field.key).\($0)" } }
    }

    /// Reads the keys that the document gives, and reports unknown ones.
    ///
    /// - Parameter extraKeys: keys that the caller has taken out of `node` already.
    static func decode(
        _ node: Node, into section: inout Self, at path: String, _ context: DecodingContext, extraKeys: [String] = []
    ) {
        guard let mapping = context.mapping(node, at: path) else { return }
        let fields = fields
        for (keyNode, value) in mapping {
            let key = keyNode.scalar?.string ?? ""
            let keyPath = join(path, key)
            guard let field = fields.first(where: { $0.key == key }) else {
                let mark = keyNode.mark
                let place = path.isEmpty ? "at the top level" : "in '\(path)'"
                context.reportUnknownKey(
                    keyPath, mark, "unknown key '\(key)' \(place)",
                    remedy: suggestion(for: key, among: fields.map(\.key) + extraKeys, elsewhere: context.allKeys))
                continue
            }
            context.noteValue(at: keyPath, keyNode.mark ?? value.mark)
            field.decode(value, &section, keyPath, context)
        }
    }

    /// Reports the required keys that nothing has given.
    static func reportMissingKeys(at path: String, _ context: DecodingContext, mark: Mark?) {
        guard context.isValid(path) else { return }
        for field in fields where field.isRequired {
            let keyPath = join(path, field.key)
            guard !context.isGiven(keyPath) else { continue }
            let below = field.requiredSubkeys.isEmpty ? "" : ", with \(list(field.requiredSubkeys))"
            let place = path.isEmpty ? "add it" : "add it below '\(path):'"
            context.reject(
                keyPath, mark, "\(keyPath) is missing", remedy: "\(place): '\(field.key)' is \(field.about)\(below)")
        }
    }

    /// The section as lines of YAML, each value with a comment that says what it is.
    func printed() -> [String] {
        Self.fields.flatMap { field -> [String] in
            switch field.print(self) {
            case .absent: []
            case .line(let value): ["\(field.key): \(value)  # \(field.about)"]
            case .section(let lines): ["\(field.key):"] + lines.map { "  \($0)" }
            }
        }
    }
}

/// "a, b and c".
func list(_ words: [String]) -> String {
    words.count < 2 ? words.joined() : words.dropLast().joined(separator: ", ") + " and " + words[words.count - 1]
}

func join(_ path: String, _ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

/// What an unknown key may have meant: a key of the same section, or one that belongs elsewhere.
private func suggestion(for key: String, among keys: [String], elsewhere allKeys: [String]) -> String {
    if let near = nearest(to: key, among: keys) { return "did you mean '\(near)'?" }
    let everywhere = Dictionary(grouping: allKeys) {
        $0.split(separator: ".").last.map(String.init) ?? $0
    }
    if let near = nearest(to: key, among: everywhere.keys.sorted()), let place = everywhere[near]?.first {
        return "did you mean '\(place)'?" + (place.contains(".") ? "" : " It belongs at the top level")
    }
    return "the keys here are: \(keys.joined(separator: ", "))"
}

extension DecodingContext {
    /// The keys and values at a path; nothing at all counts as an empty section.
    func mapping(_ node: Node, at path: String) -> Node.Mapping? {
        switch node {
        case .mapping(let mapping): return mapping
        case .scalar(let scalar) where scalar.isNull: return Node.Mapping([])
        default:
            let subject = path.isEmpty ? self.subject : path
            reject(
                path, node.mark, "\(subject): expected a section with keys of its own, found \(foundText(node))",
                remedy: "write its keys on lines of their own below it, each as 'key: value' and indented alike")
            return nil
        }
    }
}
