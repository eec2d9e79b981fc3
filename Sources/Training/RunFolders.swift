import Foundation
import Numerics

/// Where a run keeps its files: `runs/<name>/` with the resolved job, the metrics and the checkpoints.
public struct RunFolders: Sendable {
    public let root: String

    public init(_ root: String) { self.root = root }

    public var checkpoints: String { root + "/checkpoints" }
    public var profile: String { root + "/profile" }
    public var resolvedJob: String { root + "/job.yaml" }

    /// Makes the folders.
    func create() throws {
        try writing { try FileManager.default.createDirectory(atPath: checkpoints, withIntermediateDirectories: true) }
    }

    /// What this run is told from others by, as long as its checkpoints' folder is there.
    func identifier() throws -> String {
        let path = checkpoints + "/.run"
        if let known = try? String(contentsOfFile: path, encoding: .utf8), UUID(uuidString: known) != nil {
            return known
        }
        let new = UUID().uuidString
        try writing { try new.write(toFile: path, atomically: true, encoding: .utf8) }
        return new
    }

    func write(resolvedJob yaml: String) throws {
        try writing { try yaml.write(toFile: resolvedJob, atomically: true, encoding: .utf8) }
    }

    private func writing(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch {
            throw ApusError(
                "preparing the run's folder \(root)", "it cannot be written: \(error.localizedDescription)",
                remedy: "choose another folder with --set output=FOLDER")
        }
    }
}
