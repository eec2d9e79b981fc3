import Glibc
import Numerics

extension InputFile {
    /// What `discover(_:)` found.
    struct Discovery {
        var files: [InputFile] = []
        /// Files and folders whose names begin with a dot.
        var skippedHiddenFiles = 0
        /// Sockets, pipes, devices and links to nothing inside folders.
        var skippedSpecialFiles = 0
    }

    /// The files that `paths` name, folders being walked recursively.
    ///
    /// The order is that of `paths` and, inside a folder, of the names' bytes, so it is the same on every machine.
    static func discover(_ paths: [String]) throws -> Discovery {
        var discovery = Discovery()
        for path in paths {
            var status = stat()
            guard stat(path, &status) == 0 else {
                throw ApusError.system("looking for input", "could not open \(path)")
            }
            if isFolder(status) {
                var ancestors: Set<FolderIdentity> = []
                try walk(path, status, into: &discovery, ancestors: &ancestors)
            } else {
                discovery.files.append(InputFile(path: path, size: Int(status.st_size), isNamedByUser: true))
            }
        }
        return discovery
    }

    /// Tells folders apart, so that a symbolic link to a folder above it doesn't lead round for ever.
    private struct FolderIdentity: Hashable {
        let device: dev_t
        let inode: ino_t
    }

    private static func walk(
        _ folder: String, _ status: stat, into discovery: inout Discovery, ancestors: inout Set<FolderIdentity>
    ) throws {
        let identity = FolderIdentity(device: status.st_dev, inode: status.st_ino)
        guard ancestors.insert(identity).inserted else { return }
        defer { ancestors.remove(identity) }
        for name in try entries(of: folder) {
            if name.first == UInt8(ascii: ".") {
                discovery.skippedHiddenFiles += 1
                continue
            }
            let path = (folder.hasSuffix("/") ? folder : folder + "/") + String(decoding: name, as: UTF8.self)
            var status = stat()
            guard stat(path, &status) == 0 || errno == ENOENT else {
                throw ApusError.system("looking for input", "could not open \(path)")
            }
            if isFolder(status) {
                try walk(path, status, into: &discovery, ancestors: &ancestors)
            } else if status.st_mode & S_IFMT == S_IFREG {
                discovery.files.append(InputFile(path: path, size: Int(status.st_size), isNamedByUser: false))
            } else {
                discovery.skippedSpecialFiles += 1
            }
        }
    }

    private static func isFolder(_ status: stat) -> Bool { status.st_mode & S_IFMT == S_IFDIR }

    /// The names in a folder but `.` and `..`, sorted by their bytes.
    private static func entries(of folder: String) throws -> [[UInt8]] {
        guard let handle = opendir(folder) else {
            throw ApusError.system("looking for input", "could not open the folder \(folder)")
        }
        defer { closedir(handle) }
        var names: [[UInt8]] = []
        while let entry = readdir(handle) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name != Array(".".utf8), name != Array("..".utf8) { names.append(name) }
        }
        return names.sorted { $0.lexicographicallyPrecedes($1) }
    }
}
