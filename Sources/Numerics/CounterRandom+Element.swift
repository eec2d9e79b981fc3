extension CounterRandom {
    /// The uniform number in 0..<1 of a single element; loops are faster with `fillUniform`.
    public func uniform(at element: Int) -> Float {
        var number: Float = 0
        withUnsafeMutablePointer(to: &number) {
            fillUniform(UnsafeMutableBufferPointer(start: $0, count: 1), firstElement: element)
        }
        return number
    }
}
