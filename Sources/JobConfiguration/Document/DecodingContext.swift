import Yams

/// What is learned about one document while it is decoded: every problem, and where each value comes from.
final class DecodingContext {
    /// The document's name in messages, usually its path.
    let name: String
    private(set) var problems: [JobProblem] = []
    /// The path of each value that was given → its place in the document.
    private(set) var locations: [String: String] = [:]
    /// Paths of values that come from another document, a preset, and that nobody would change there for one job's sake.
    private var borrowedPaths: Set<String> = []
    /// Paths whose values are wrong or missing, so that nothing can be checked against them.
    private var invalidPaths: Set<String> = []
    /// `vocabularySize: auto`: to be taken from the tokenizer.
    var takesVocabularyFromTokenizer = false

    /// What the document is, in messages: "the job".
    let subject: String
    /// Every key of the document, as dotted paths, for suggestions.
    let allKeys: [String]
    private let overrides: [Override]

    init(
        name: String, subject: String = "the job", allKeys: [String] = JobConfiguration.allKeys,
        overrides: [Override] = []
    ) {
        self.name = name
        self.subject = subject
        self.allKeys = allKeys
        self.overrides = overrides
    }

    func isGiven(_ path: String) -> Bool { locations[path] != nil }

    func isValid(_ path: String) -> Bool {
        !invalidPaths.contains { $0.isEmpty || $0 == path || path.hasPrefix($0 + ".") }
    }

    func noteValue(at path: String, _ mark: Mark?) {
        locations[path] = location(of: path, mark)
        borrowedPaths.remove(path)
    }

    /// `file:line:column`, or the override that put the value there.
    func location(of path: String, _ mark: Mark?) -> String {
        let override = overrides.last { path == $0.path || path.hasPrefix($0.path + ".") }
        if let override { return override.text }
        return mark.map { "\(name):\($0)" } ?? name
    }

    /// Reports a value that is wrong in itself.
    func reject(_ path: String, _ mark: Mark?, _ message: String, remedy: String?) {
        problems.append(JobProblem(location: location(of: path, mark), message: message, remedy: remedy))
        invalidPaths.insert(path)
    }

    /// Reports a key that nobody knows; what it meant is unknown, so nothing else becomes invalid by it.
    func reportUnknownKey(_ path: String, _ mark: Mark?, _ message: String, remedy: String) {
        problems.append(JobProblem(location: location(of: path, mark), message: message, remedy: remedy))
    }

    /// Reports values that are right each by itself but not together, at the first of them that the job itself gives.
    func reportConflict(_ paths: [String], _ message: String, remedy: String) {
        let own = paths.filter { !borrowedPaths.contains($0) }
        let location = (own + paths).lazy.compactMap { self.locations[$0] }.first ?? name
        problems.append(JobProblem(location: location, message: message, remedy: remedy))
    }

    func report(_ found: [JobProblem]) { problems += found }

    func invalidate(_ path: String) { invalidPaths.insert(path) }

    /// Takes over what was learned about a document whose root belongs at `path` of this one.
    func absorb(_ other: DecodingContext, at path: String) {
        problems += other.problems
        for (key, location) in other.locations {
            locations[join(path, key)] = location
            borrowedPaths.insert(join(path, key))
        }
        invalidPaths.formUnion(other.invalidPaths.map { $0.isEmpty ? path : join(path, $0) })
        takesVocabularyFromTokenizer = other.takesVocabularyFromTokenizer
    }
}
