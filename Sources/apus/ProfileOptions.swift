import ArgumentParser
import Training

/// How a profile is asked for, wherever steps are run.
struct ProfileOptions: ParsableArguments {
    @Flag(help: "Print where the time of some steps went, and write a trace a rank for ui.perfetto.dev.")
    var profile = false

    @Option(
        name: .customLong("profile-folder"), help: "Where the traces go (implies --profile).",
        completion: .directory)
    var folder: String?

    @Option(
        name: .customLong("profile-steps"),
        help: ArgumentHelp(
            "The steps to profile, counted from 1 where this command begins (default: 3-12; implies --profile).",
            valueName: "first-last"))
    var steps: String?

    func validate() throws {
        guard let steps, Self.range(steps) == nil else { return }
        throw ValidationError(
            "--profile-steps must be the first and the last step, such as 3-12, or one step; found '\(steps)'")
    }

    /// Nil where no profile is wanted.
    var request: StepProfile.Request? {
        guard profile || folder != nil || steps != nil else { return nil }
        var request = StepProfile.Request(folder: folder)
        if let range = steps.flatMap(Self.range) { request.steps = range }
        return request
    }

    /// The same options for the command that runs the steps.
    var arguments: [String] {
        (profile ? ["--profile"] : []) + (folder.map { ["--profile-folder", $0] } ?? [])
            + (steps.map { ["--profile-steps", $0] } ?? [])
    }

    /// `3-12`, or `5` for a single step.
    private static func range(_ text: String) -> ClosedRange<Int>? {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
        guard let first = ends[0], let last = ends[ends.count - 1], ends.count <= 2, first > 0, last >= first else {
            return nil
        }
        return first...last
    }
}
