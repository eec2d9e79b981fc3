/// The number of insertions, deletions, substitutions and swaps of neighbours that turn one word into the other
/// (optimal string alignment).
func editDistance(_ first: some StringProtocol, _ second: some StringProtocol) -> Int {
    let a = Array(first)
    let b = Array(second)
    // Rows i-2, i-1 and i of the table of distances between prefixes.
    var beforePrevious: [Int] = []
    var previous = Array(0...b.count)
    for i in a.indices {
        var current = [i + 1]
        for j in b.indices {
            var distance = min(previous[j + 1] + 1, current[j] + 1, previous[j] + (a[i] == b[j] ? 0 : 1))
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
                distance = min(distance, beforePrevious[j - 1] + 1)
            }
            current.append(distance)
        }
        beforePrevious = previous
        previous = current
    }
    return previous[b.count]
}

/// The candidate that a misspelt word most likely meant, or nil when none is close. `learning_rate` and `LearningRate`
/// are as good as `learningRate`.
func nearest(to word: String, among candidates: [String]) -> String? {
    func bare(_ text: String) -> String { text.lowercased().filter { $0 != "_" && $0 != "-" } }
    let bareWord = bare(word)
    // Long inputs are no typing errors, and the table is quadratic.
    guard !bareWord.isEmpty, bareWord.count <= 64 else { return nil }
    let ranked = candidates.map { (candidate: $0, distance: editDistance(bareWord, bare($0))) }
    guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
    return best.distance <= max(1, (bareWord.count + 1) / 3) ? best.candidate : nil
}
