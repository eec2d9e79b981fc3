import Foundation
import Numerics

/// Everything that the launcher and the workers said, over all starts of a run: `workers/launch.log` in its folder.
final class LaunchLog {
    let path: String
    private let file: FileHandle

    /// - Throws: `ApusError` naming the folder or file that cannot be made.
    init(runFolder: String, command: String) throws {
        let folder = runFolder + "/workers"
        path = folder + "/launch.log"
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            if !FileManager.default.fileExists(atPath: path) { try Data().write(to: URL(filePath: path)) }
            file = try FileHandle(forWritingTo: URL(filePath: path))
            try file.seekToEnd()
            try file.write(contentsOf: Data("# \(Date().ISO8601Format()) \(command)\n".utf8))
        } catch {
            throw ApusError(
                "writing \(path)", error.localizedDescription,
                remedy: "the run's folder (output in the job) must be a place where this user may write", kind: .runtime
            )
        }
    }

    /// A log that cannot be written, as on a full disk, is no reason to end the run.
    func append(_ line: String) {
        try? file.write(contentsOf: Data((line + "\n").utf8))
    }
}
