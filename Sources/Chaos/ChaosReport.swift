import Checkpointing
import Foundation

/// What a rehearsal has shown.
public struct ChaosReport: Sendable {
    public let outcomes: [Outcome]
    /// What differs from the undisturbed run first; nil where nothing does.
    public let difference: String?
    public let undisturbedSeconds: Double
    public let disturbedSeconds: Double
    public let steps: Int

    public var injected: Int { outcomes.count(where: \.isInjected) }
    public var survived: Int { outcomes.count(where: \.isSurvived) }
    /// Whether every fault was survived and the results are the same to the bit.
    public var isFlawless: Bool { difference == nil && survived == injected && injected > 0 }

    /// Share of the time in which new steps are done, if a failure comes every ten minutes: what a failure costs here,
    /// seen over that time.
    public var goodput: Double {
        let failures = outcomes.filter(\.isSurvived)
        guard !failures.isEmpty else { return 1 }
        let secondsPerStep = undisturbedSeconds / Double(max(steps, 1))
        let lost = failures.reduce(0) { $0 + ($1.recovery ?? 0) + Double($1.stepsLost ?? 0) * secondsPerStep }
        return max(0, 1 - lost / Double(failures.count) / 600)
    }

    /// For a person.
    public var table: String {
        var rows = [
            [
                "fault", "injected", "survived", "seen in, median", "worst", "next step in, median", "worst",
                "steps lost, mean",
            ]
        ]
        for kind in Fault.Kind.allCases {
            let those = outcomes.filter { $0.kind == kind }
            if !those.isEmpty { rows.append(Self.row(kind.rawValue, those)) }
        }
        rows.append(Self.row("all", outcomes))
        return
            [
                Checkpointing.table(rows, rightAligned: Set(1..<rows[0].count)),
                "undisturbed \(Self.number(undisturbedSeconds)) s, disturbed \(Self.number(disturbedSeconds)) s",
                "goodput with a failure every 10 minutes, by extrapolation: \(Self.number(100 * goodput))%",
                difference.map { "NOT identical: \($0)" }
                    ?? "identical: the losses of all \(steps) steps and the last checkpoint, bit for bit",
            ].joined(separator: "\n") + "\n"
    }

    static func line(_ outcome: Outcome) -> String {
        guard outcome.isInjected else { return "\(outcome.kind.rawValue): not injected" }
        let seen = outcome.detection.map { ", seen in \(number($0)) s" } ?? ""
        guard let recovery = outcome.recovery else { return "\(outcome.kind.rawValue)\(seen): NOT survived" }
        if let silence = outcome.silence { return "\(outcome.kind.rawValue)\(seen): NOT survived: \(silence)" }
        return
            "\(outcome.kind.rawValue)\(seen), next step in \(number(recovery)) s, \(outcome.stepsLost ?? 0) steps lost"
    }

    private static func row(_ name: String, _ outcomes: [Outcome]) -> [String] {
        let detections = outcomes.compactMap(\.detection).sorted()
        let recoveries = outcomes.compactMap(\.recovery).sorted()
        let lost = outcomes.compactMap(\.stepsLost)
        func median(_ values: [Double]) -> String { values.isEmpty ? "" : number(values[values.count / 2]) + " s" }
        func worst(_ values: [Double]) -> String { values.last.map { number($0) + " s" } ?? "" }
        return [
            name, "\(outcomes.count(where: \.isInjected))", "\(outcomes.count(where: \.isSurvived))",
            median(detections), worst(detections), median(recoveries), worst(recoveries),
            lost.isEmpty ? "" : number(Double(lost.reduce(0, +)) / Double(lost.count)),
        ]
    }

    private static func number(_ value: Double) -> String { String(format: "%.1f", value) }
}
