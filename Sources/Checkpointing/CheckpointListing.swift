import Foundation

/// The checkpoints of a run, a line each.
public struct CheckpointListing: Sendable {
    private let rows: [[String]]

    /// Reads every manifest, but no tensor; a checkpoint that cannot be opened is listed with the reason.
    ///
    /// - Throws: `ApusError` where the folder, or its file `latest`, cannot be read.
    public init(_ folder: CheckpointFolder) throws {
        let latest = try folder.latest()
        rows = try folder.entries().map { entry in
            let mark = entry == latest ? "latest" : ""
            do {
                let reader = try CheckpointReader(stepFolder: entry.path, fileSystem: folder.fileSystem)
                let state = reader.manifest.state
                let bytes = reader.manifest.files.values.reduce(0) { $0 + $1.bytes }
                let time = try folder.fileSystem.status("\(entry.path)/\(CheckpointManifest.fileName)").modificationTime
                let date = Date(timeIntervalSince1970: TimeInterval(time)).formatted(.iso8601)
                return [entry.name, grouped(state.tokensSeen), byteText(bytes), date, mark]
            } catch {
                return [entry.name, "", "", "unreadable: \(error)", mark]
            }
        }
    }

    public var isEmpty: Bool { rows.isEmpty }

    public func text() -> String {
        table([["checkpoint", "tokens seen", "size", "saved", ""]] + rows, rightAligned: [1, 2])
    }
}
