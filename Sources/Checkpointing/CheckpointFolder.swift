import Foundation
import Numerics

/// A folder of checkpoints, one subfolder a step, and the file `latest` that names the one to go on from.
///
/// What is being written or removed has a name that begins with a dot, so that a crash at any moment leaves nothing that
/// looks like a checkpoint and is none.
public struct CheckpointFolder: Sendable {
    public let path: String
    public let retention: Retention
    let fileSystem: any FileSystem

    /// Which checkpoints pruning keeps, besides the latest.
    public struct Retention: Hashable, Sendable {
        /// The newest so many; at least one.
        public var keepLast: Int
        /// Those at multiples of this step, for ever; 0 for none.
        public var keepEvery: Int

        public init(keepLast: Int = 2, keepEvery: Int = 0) {
            self.keepLast = keepLast
            self.keepEvery = keepEvery
        }
    }

    /// One checkpoint.
    public struct Entry: Hashable, Sendable {
        public let step: Int
        /// Of the folder that holds its manifest.
        public let path: String

        public var name: String { CheckpointFolder.name(step: step) }
    }

    public init(_ path: String, retention: Retention = Retention()) {
        self.init(path, retention: retention, fileSystem: HostFileSystem())
    }

    package init(_ path: String, retention: Retention = Retention(), fileSystem: any FileSystem) {
        self.path = path
        self.retention = retention
        self.fileSystem = fileSystem
    }

    /// The folder of a run's checkpoints: `path` itself, or `checkpoints` inside it where there is one.
    ///
    /// - Throws: `ApusError` where `path` is no folder.
    public static func inRun(_ path: String) throws -> CheckpointFolder {
        try inRun(path, fileSystem: HostFileSystem())
    }

    static func inRun(_ path: String, fileSystem: any FileSystem) throws -> CheckpointFolder {
        let operation = "opening the checkpoint \(path)"
        do {
            guard try fileSystem.status(path).isDirectory else {
                // The file that names the latest checkpoint stands for it.
                if path.hasSuffix("/latest") {
                    return CheckpointFolder(String(path.dropLast(7)), fileSystem: fileSystem)
                }
                throw ApusError(operation, "it is no folder", remedy: "name a checkpoint's folder, or a run's")
            }
        } catch let error as SystemCallError { throw error.asApusError(operation) }
        let inside = "\(path)/checkpoints"
        let hasInside = (try? fileSystem.status(inside))?.isDirectory ?? false
        return CheckpointFolder(hasInside ? inside : path, fileSystem: fileSystem)
    }

    // MARK: Names

    /// As in `step-000100`: sorted by name is sorted by step, up to a million.
    public static func name(step: Int) -> String {
        let digits = String(step)
        return "step-" + String(repeating: "0", count: max(0, 6 - digits.count)) + digits
    }

    /// The step that a folder's name stands for.
    static func step(name: some StringProtocol) -> Int? {
        guard name.hasPrefix("step-"), let step = Int(name.dropFirst(5)), step >= 0, self.name(step: step) == name
        else { return nil }
        return step
    }

    static let latestName = "latest"

    func file(_ name: String) -> String { "\(path)/\(name)" }
    func finalPath(step: Int) -> String { file(Self.name(step: step)) }
    /// Where a checkpoint is written before it takes its name.
    func partialPath(step: Int) -> String { file(".\(Self.name(step: step))\(Suffix.partial)") }
    /// Where a checkpoint waits while a new one of the same step takes its name.
    func replacedPath(step: Int) -> String { file(".\(Self.name(step: step))\(Suffix.replaced)") }
    /// Where a checkpoint loses its files.
    func removedPath(step: Int) -> String { file(".\(Self.name(step: step))\(Suffix.removed)") }

    enum Suffix {
        static let partial = ".partial"
        static let replaced = ".replaced"
        static let removed = ".removed"
    }

    /// The step in a dotted name with this suffix.
    static func step(temporaryName name: String, suffix: String) -> Int? {
        guard name.hasPrefix("."), name.hasSuffix(suffix) else { return nil }
        return step(name: name.dropFirst().dropLast(suffix.count))
    }

    // MARK: Looking

    /// All checkpoints, by rising step; none where the folder does not exist.
    public func entries() throws -> [Entry] {
        let names: [String]
        do {
            names = try fileSystem.list(path)
        } catch {
            if error.code == ENOENT { return [] }
            throw error.asApusError("looking for checkpoints")
        }
        var paths: [Int: String] = [:]
        for name in names {
            // A crash between the two renames of a replacement leaves the old checkpoint under its waiting name.
            if let step = Self.step(temporaryName: name, suffix: Suffix.replaced) { paths[step] = file(name) }
        }
        for name in names {
            if let step = Self.step(name: name) { paths[step] = file(name) }
        }
        return paths.map { Entry(step: $0.key, path: $0.value) }.sorted { $0.step < $1.step }
    }

    /// The checkpoint that `latest` names; the one of the highest step where there is no such file; nil where there is
    /// no checkpoint at all.
    public func latest() throws -> Entry? {
        let operation = "looking for the latest checkpoint"
        let entries = try entries()
        let latestPath = file(Self.latestName)
        do {
            _ = try fileSystem.status(latestPath)
        } catch {
            if error.code == ENOENT || error.code == ENOTDIR { return entries.last }
            throw error.asApusError(operation)
        }
        let input = try InputFile(latestPath, fileSystem: fileSystem, operation: operation)
        let text = String(
            decoding: try input.readBytes(0..<min(input.size, 256), operation: operation), as: UTF8.self)
        let name = text.trimmingCharacters(in: .whitespacesAndNewlines)
        let remedy = "write the name of the checkpoint to go on from into it, or delete it to use the newest"
        guard let step = Self.step(name: name) else {
            throw ApusError(
                operation,
                "\(latestPath) should hold a name such as \(Self.name(step: 100)); found "
                    + name.debugDescription, remedy: remedy)
        }
        guard let entry = entries.first(where: { $0.step == step }) else {
            throw ApusError(operation, "\(latestPath) names \(name), which is not in \(path)", remedy: remedy)
        }
        return entry
    }
}
