import Foundation
import Numerics

/// Where a run keeps its files: `runs/<name>/` with the resolved job, the metrics and the checkpoints.
public struct RunFolders: Sendable {
    public let root: String

    public init(_ root: String) { self.root = root }

    public var checkpoints: String { root + "/checkpoints" }
    public var profile: String { root + "/profile" }
    public var resolvedJob: String { root + "/job.yaml" }

    /// Makes the folders and writes the resolved job.
    func create(resolvedJob yaml: String) throws {
        do {
            try FileManager.default.createDirectory(atPath: checkpoints, withIntermediateDirectories: true)
            try yaml.write(toFile: resolvedJob, atomically: true, encoding: .utf8)
        } catch {
            throw ApusError(
                "preparing the run's folder \(root)", "it cannot be written: \(error.localizedDescription)",
                remedy: "choose another folder with --set output=FOLDER")
        }
    }
}
