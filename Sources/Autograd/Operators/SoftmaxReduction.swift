/// Merges softmax statistics of a vocabulary that is split over ranks.
public protocol SoftmaxReduction: AnyObject {
    /// Replaces each row's statistics over this rank's part of the vocabulary by those over the whole of it.
    ///
    /// A row of `statistics`, `[rows, 3]`, is the largest logit, the sum of exponentials of the logits minus that, and
    /// the target's logit, which is 0 on ranks that do not hold the target. Every rank ends with the same bits.
    func merge(_ statistics: UnsafeMutablePointer<Float>, rows: Int)
}
