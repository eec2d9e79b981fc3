import Foundation
import Numerics

/// Training and validation loss over the steps of a run, to be drawn as an SVG.
public struct LossCurve: Sendable {
    public struct Point: Hashable, Sendable {
        public var step: Int
        public var loss: Double

        public init(step: Int, loss: Double) {
            self.step = step
            self.loss = loss
        }
    }

    public enum Scale: Sendable {
        /// Logarithmic when the losses span more than a factor of 20 and all are positive.
        case automatic
        case linear
        case logarithmic
    }

    public var title: String
    public var scale = Scale.automatic
    /// In order of steps; finite losses only.
    public private(set) var training: [Point] = []
    public private(set) var validation: [Point] = []
    /// Losses that were NaN or infinite, and are told of in the picture instead of drawn.
    public private(set) var nonFiniteCount = 0

    public init(title: String, events: some Sequence<RunEvent>) {
        self.title = title
        for event in events {
            switch event {
            case .step(let metrics): append(metrics.step, metrics.loss, to: \.training)
            case .evaluation(let metrics): append(metrics.step, metrics.loss, to: \.validation)
            case .guarded(let record):
                // What follows the checkpoint is done again.
                guard let step = record.rollbackStep else { break }
                training.removeAll { $0.step > step }
                validation.removeAll { $0.step > step }
            case .started, .checkpoint, .message, .stopping, .finished: break
            }
        }
        training.sort { $0.step < $1.step }
        validation.sort { $0.step < $1.step }
    }

    /// Reads a run's `metrics.jsonl`.
    public init(metricsPath: String, title: String) throws {
        self.init(title: title, events: try MetricsLog.events(at: metricsPath))
    }

    /// Puts the picture in place at once: a reader sees the old one or the new one.
    public func write(to path: String) throws {
        do {
            try Data(svg().utf8).write(to: URL(filePath: path), options: .atomic)
        } catch {
            throw ApusError("writing \(path)", error.localizedDescription)
        }
    }

    /// The training loss without most of its noise: an exponential moving average over about a fiftieth of the points,
    /// each divided by the weights it has seen so far, so that it begins at the first loss.
    var smoothed: [Point] {
        let decay = 1 - 1 / max(Double(training.count) / 50, 1)
        var (sum, weight) = (0.0, 0.0)
        return training.map { point in
            sum = decay * sum + (1 - decay) * point.loss
            weight = decay * weight + (1 - decay)
            return Point(step: point.step, loss: sum / weight)
        }
    }

    private mutating func append(_ step: Int, _ loss: Double, to series: WritableKeyPath<LossCurve, [Point]>) {
        // Beyond this no axis can be labelled, and sums would overflow.
        if loss.isFinite, abs(loss) < 1e100, step >= 0 {
            self[keyPath: series].append(Point(step: step, loss: loss))
        } else {
            nonFiniteCount += 1
        }
    }
}

extension [LossCurve.Point] {
    /// At most about `limit` points that look the same at the picture's resolution: of each stretch the lowest and the
    /// highest are kept, in order.
    func thinned(to limit: Int) -> [LossCurve.Point] {
        guard count > limit, limit >= 2 else { return self }
        let stretch = (count * 2 + limit - 1) / limit
        return stride(from: 0, to: count, by: stretch).flatMap { start -> [LossCurve.Point] in
            let part = self[start..<Swift.min(start + stretch, count)]
            guard let low = part.min(by: { $0.loss < $1.loss }), let high = part.max(by: { $0.loss < $1.loss })
            else { return [] }
            return low == high ? [low] : low.step < high.step ? [low, high] : [high, low]
        }
    }
}
