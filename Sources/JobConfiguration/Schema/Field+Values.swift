import Yams

extension Field {
    /// A whole number.
    static func integer(
        _ key: String, _ property: WritableKeyPath<Owner, Int>, _ range: ClosedRange<Int>, required: Bool = false,
        _ about: String
    ) -> Field {
        Field(key: key, about: about, isRequired: required) { node, owner, path, context in
            if let value = context.integer(node, at: path, in: range, about: about) { owner[keyPath: property] = value }
        } print: {
            .line(String($0[keyPath: property]))
        }
    }

    /// A number.
    static func number(
        _ key: String, _ property: WritableKeyPath<Owner, Float>, _ rule: NumberRule, _ about: String
    ) -> Field {
        Field(key: key, about: about) { node, owner, path, context in
            if let text = context.plainText(node), let value = Float(text.filter { $0 != "_" }), rule.allows(value) {
                owner[keyPath: property] = value
            } else {
                context.reject(node, path, expected: rule.text, about: about)
            }
        } print: {
            .line("\($0[keyPath: property])")
        }
    }

    /// `true` or `false`.
    static func boolean(_ key: String, _ property: WritableKeyPath<Owner, Bool>, _ about: String) -> Field {
        Field(key: key, about: about) { node, owner, path, context in
            if let value = context.plainText(node).flatMap({ Bool($0) }) {
                owner[keyPath: property] = value
            } else {
                context.reject(node, path, expected: "true or false", about: about)
            }
        } print: {
            .line(String($0[keyPath: property]))
        }
    }

    /// A text that is not empty.
    static func string(
        _ key: String, _ property: WritableKeyPath<Owner, String>, required: Bool = false, _ about: String
    ) -> Field {
        Field(key: key, about: about, isRequired: required) { node, owner, path, context in
            if let text = context.text(node, at: path, about: about) { owner[keyPath: property] = text }
        } print: {
            .line(printedString($0[keyPath: property]))
        }
    }

    /// A text, or nothing.
    static func optionalString(
        _ key: String, _ property: WritableKeyPath<Owner, String?>, _ about: String
    ) -> Field {
        Field(key: key, about: about) { node, owner, path, context in
            if let scalar = node.scalar, scalar.isNull {
                owner[keyPath: property] = nil
            } else if let text = context.text(node, at: path, about: about) {
                owner[keyPath: property] = text
            }
        } print: {
            $0[keyPath: property].map { .line(printedString($0)) } ?? .absent
        }
    }

    /// A list of texts; a text by itself is a list of one.
    static func strings(
        _ key: String, _ property: WritableKeyPath<Owner, [String]>, required: Bool = false, _ about: String
    ) -> Field {
        Field(key: key, about: about, isRequired: required) { node, owner, path, context in
            let items = node.sequence.map { Array($0) } ?? [node]
            let texts = items.map { context.text($0, at: path, about: about) }
            if required && texts.isEmpty {
                context.reject(path, node.mark, "\(path): expected at least one", remedy: "'\(path)' is \(about)")
            } else if !texts.contains(nil) {
                owner[keyPath: property] = texts.compactMap { $0 }
            }
        } print: {
            .line("[" + $0[keyPath: property].map(printedString).joined(separator: ", ") + "]")
        }
    }

    /// One of a few words.
    static func choice<Value: RawRepresentable<String> & CaseIterable>(
        _ key: String, _ property: WritableKeyPath<Owner, Value>, required: Bool = false, _ about: String
    ) -> Field {
        Field(key: key, about: about, isRequired: required) { node, owner, path, context in
            let words = Value.allCases.map(\.rawValue)
            if let value = node.scalar.flatMap({ Value(rawValue: $0.string) }) {
                owner[keyPath: property] = value
            } else {
                let near = node.scalar.flatMap { nearest(to: $0.string, among: words) }
                context.reject(
                    path, node.mark,
                    "\(path): expected one of \(words.joined(separator: ", ")); found \(foundText(node))",
                    remedy: near.map { "did you mean '\($0)'?" } ?? "'\(path)' is \(about)")
            }
        } print: {
            .line($0[keyPath: property].rawValue)
        }
    }

    /// A section of keys.
    static func section<Child: Section>(
        _ key: String, _ property: WritableKeyPath<Owner, Child>, required: Bool = false, _ about: String
    ) -> Field {
        let requiredKeys = Child.fields.filter(\.isRequired).map(\.key)
        return Field(
            key: key, about: about, isRequired: required, subkeys: Child.allKeys, requiredSubkeys: requiredKeys
        ) { node, owner, path, context in
            Child.decode(node, into: &owner[keyPath: property], at: path, context)
            Child.reportMissingKeys(at: path, context, mark: context.sectionMark(node))
        } print: {
            .section($0[keyPath: property].printed())
        }
    }
}

/// Which numbers a key takes, and how a message says so.
struct NumberRule: Sendable {
    let text: String
    let allows: @Sendable (Float) -> Bool

    static let positive = NumberRule(text: "a number above 0") { $0 > 0 && $0.isFinite }
    static let notNegative = NumberRule(text: "a number that is 0 or more") { $0 >= 0 && $0.isFinite }
    static let belowOne = NumberRule(text: "a number from 0 up to, but below, 1") { $0 >= 0 && $0 < 1 }
    static let fraction = NumberRule(text: "a number from 0 to 1") { $0 >= 0 && $0 <= 1 }
}

extension DecodingContext {
    /// An unquoted scalar's text.
    func plainText(_ node: Node) -> String? {
        guard let scalar = node.scalar, scalar.isPlain, !scalar.isNull else { return nil }
        return scalar.string
    }

    func integer(
        _ node: Node, at path: String, in range: ClosedRange<Int>, orWord word: String? = nil, about: String
    ) -> Int? {
        // Underscores group digits, as in 1_000_000.
        if let value = plainText(node).flatMap({ Int($0.filter { $0 != "_" }) }), range.contains(value) { return value }
        let numbers = "a whole number from \(grouped(range.lowerBound)) to \(grouped(range.upperBound))"
        reject(node, path, expected: numbers + (word.map { " or '\($0)'" } ?? ""), about: about)
        return nil
    }

    func text(_ node: Node, at path: String, about: String) -> String? {
        if let scalar = node.scalar, !scalar.isNull, !scalar.string.isEmpty { return scalar.string }
        reject(node, path, expected: "a text", about: about)
        return nil
    }

    func reject(_ node: Node, _ path: String, expected: String, about: String) {
        reject(
            path, node.mark, "\(path): expected \(expected), found \(foundText(node))",
            remedy: "'\(path)' is \(about)")
    }

    /// Where a section begins.
    func sectionMark(_ node: Node) -> Mark? { node.mapping?.first?.key.mark ?? node.mark }
}

/// 1,000,000 rather than 1000000.
public func grouped(_ number: Int) -> String {
    let digits = String(number.magnitude)
    let groups = stride(from: digits.count, to: 0, by: -3).map { digits.prefix($0).suffix(3) }
    return (number < 0 ? "-" : "") + groups.reversed().joined(separator: ",")
}

/// A string as YAML: bare where nothing in it can be mistaken.
func printedString(_ text: String) -> String {
    let isBare = text.utf8.allSatisfy { bareCharacters.contains($0) } && text.utf8.first != UInt8(ascii: "-")
    return isBare && !Node.Scalar(text).isNull ? text : quoted(text)
}

private let bareCharacters = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-".utf8)
