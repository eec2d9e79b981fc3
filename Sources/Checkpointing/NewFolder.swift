import Numerics

/// A folder that appears under its name only when it is complete and on the device.
enum NewFolder {
    /// Makes the folder `folder`, which must not exist; `fill` is given the name that it has until then.
    ///
    /// - Throws: `ApusError`; nothing is left behind.
    static func make<Value>(
        _ folder: String, operation: String, fileSystem: any FileSystem, _ fill: (_ partial: String) throws -> Value
    ) throws -> Value {
        let path = folder.count > 1 && folder.hasSuffix("/") ? String(folder.dropLast()) : folder
        let parent = CheckpointFolder(CheckpointFolder.parent(path), fileSystem: fileSystem)
        guard !path.isEmpty, path != "/", !parent.exists(path) else {
            throw ApusError(operation, "there is such a folder or file already", remedy: "choose another name")
        }
        let name = path.split(separator: "/").last.map(String.init) ?? path
        let partial = "\(parent.path)/.\(name)\(CheckpointFolder.Suffix.partial)"
        do {
            try parent.create()
            if parent.exists(partial) { try parent.removeTree(partial) }
            try fileSystem.makeDirectory(partial)
            do {
                let value = try fill(partial)
                try fileSystem.synchronizeDirectory(partial)
                try fileSystem.rename(partial, to: path)
                try fileSystem.synchronizeDirectory(parent.path)
                return value
            } catch {
                try? parent.removeTree(partial)
                throw error
            }
        } catch let error as SystemCallError { throw error.asApusError(operation) }
    }
}
