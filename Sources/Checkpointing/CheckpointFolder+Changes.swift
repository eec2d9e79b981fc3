import Foundation
import Numerics

extension CheckpointFolder {
    /// Finishes or takes back what a crash left half done; call it once, on one rank, before a run begins.
    ///
    /// - Returns: the names of what was removed.
    @discardableResult
    public func removeTemporaries() throws -> [String] {
        do {
            guard (try? fileSystem.status(path)) != nil else { return [] }
            var removed: [String] = []
            for entry in try entries() where entry.path == replacedPath(step: entry.step) {
                try fileSystem.rename(entry.path, to: finalPath(step: entry.step))
            }
            for name in try fileSystem.list(path).sorted() where Self.isTemporary(name) {
                try removeTree(file(name))
                removed.append(name)
            }
            return removed
        } catch let error as SystemCallError { throw error.asApusError("clearing leftovers in \(path)") }
    }

    private static func isTemporary(_ name: String) -> Bool {
        let suffixes = [Suffix.partial, Suffix.replaced, Suffix.removed]
        return name == partialLatestName || suffixes.contains { step(temporaryName: name, suffix: $0) != nil }
    }

    private static let partialLatestName = ".latest.partial"

    /// Creates the folder and those above it.
    func create() throws(SystemCallError) { try makeDirectories(path) }

    private func makeDirectories(_ path: String) throws(SystemCallError) {
        do {
            try fileSystem.makeDirectory(path)
        } catch {
            switch error.code {
            case EEXIST:
                guard try fileSystem.status(path).isDirectory else { throw error }
                return
            case ENOENT:
                let parent = Self.parent(path)
                guard parent != path else { throw error }
                try makeDirectories(parent)
                // Not from the start again: some file systems, such as /proc, miss a folder that is there.
                do {
                    try fileSystem.makeDirectory(path)
                } catch {
                    // Another host may have been faster.
                    guard error.code == EEXIST, try fileSystem.status(path).isDirectory else { throw error }
                }
            default: throw error
            }
        }
        try fileSystem.synchronizeDirectory(Self.parent(path))
    }

    static func parent(_ path: String) -> String {
        let trimmed = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
        guard let slash = trimmed.lastIndex(of: "/") else { return "." }
        return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
    }

    /// An empty folder for a checkpoint to be written into.
    func makePartial(step: Int) throws(SystemCallError) {
        try create()
        let partial = partialPath(step: step)
        if exists(partial) { try removeTree(partial) }
        try fileSystem.makeDirectory(partial)
    }

    /// Gives a complete partial folder its name, in place of a checkpoint of the same step if there is one, and makes
    /// `latest` name it. At every moment in between, `latest` names a complete checkpoint.
    func commit(step: Int) throws(SystemCallError) {
        let (partial, final, replaced) = (partialPath(step: step), finalPath(step: step), replacedPath(step: step))
        try fileSystem.synchronizeDirectory(partial)
        if exists(final) {
            if exists(replaced) { try removeTree(replaced) }
            try fileSystem.rename(final, to: replaced)
        }
        do {
            try fileSystem.rename(partial, to: final)
        } catch {
            if exists(replaced) { try? fileSystem.rename(replaced, to: final) }
            throw error
        }
        try fileSystem.synchronizeDirectory(path)
        try pointLatest(to: step)
        if exists(replaced) { try removeTree(replaced) }
    }

    private func pointLatest(to step: Int) throws(SystemCallError) {
        let temporary = file(Self.partialLatestName)
        if exists(temporary) { try fileSystem.removeFile(temporary) }
        try fileSystem.writeFile(temporary, Array("\(Self.name(step: step))\n".utf8))
        try fileSystem.rename(temporary, to: file(Self.latestName))
        try fileSystem.synchronizeDirectory(path)
    }

    /// Removes the checkpoints that `retention` does not ask for. Never the one that `latest` names, nor any after it:
    /// those belong to a run that was taken back to an earlier step, and only its user knows whether they still matter.
    ///
    /// - Returns: what was removed.
    @discardableResult
    public func prune() throws -> [Entry] {
        var removed: [Entry] = []
        for entry in try superseded() {
            do {
                // Renamed first: a crash half-way through must not leave half a checkpoint.
                let doomed = removedPath(step: entry.step)
                if exists(doomed) { try removeTree(doomed) }
                try fileSystem.rename(entry.path, to: doomed)
                try removeTree(doomed)
            } catch { throw error.asApusError("removing the old checkpoint \(entry.name)") }
            removed.append(entry)
        }
        return removed
    }

    /// What `prune` would remove.
    public func superseded() throws -> [Entry] {
        guard let latest = try latest() else { return [] }
        let before = try entries().filter { $0.step < latest.step }
        return before.dropLast(max(retention.keepLast, 1) - 1).filter {
            retention.keepEvery == 0 || $0.step % retention.keepEvery != 0
        }
    }

    func exists(_ path: String) -> Bool { (try? fileSystem.status(path)) != nil }

    /// Removes a file, or a folder and everything in it; symbolic links are removed, not followed.
    func removeTree(_ path: String) throws(SystemCallError) {
        do {
            try fileSystem.removeFile(path)
        } catch {
            guard error.code == EISDIR else { throw error }
            for name in try fileSystem.list(path) { try removeTree("\(path)/\(name)") }
            try fileSystem.removeDirectory(path)
        }
    }
}
