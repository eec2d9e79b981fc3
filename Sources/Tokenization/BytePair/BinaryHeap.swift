/// An array kept as a binary heap with its smallest element first.
extension Array where Element: Comparable {
    mutating func pushMinimum(_ element: Element) {
        append(element)
        var child = count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard element < self[parent] else { break }
            self[child] = self[parent]
            child = parent
        }
        self[child] = element
    }

    mutating func popMinimum() -> Element? {
        guard let smallest = first else { return nil }
        let moved = removeLast()
        if isEmpty { return smallest }
        var parent = 0
        while true {
            var child = 2 * parent + 1
            if child >= count { break }
            if child + 1 < count, self[child + 1] < self[child] { child += 1 }
            guard self[child] < moved else { break }
            self[parent] = self[child]
            parent = child
        }
        self[parent] = moved
        return smallest
    }
}
