import Checkpointing
import Coordination
import Foundation
import Numerics
import Subprocess
import Supervision
import Synchronization
import SystemPackage

/// `apus launch` as a rehearsal starts it, and what can be seen of it from outside.
final class LaunchedRun: Sendable {
    /// A line of the coordinator's output, and when it came.
    struct Line: Sendable {
        var time: ContinuousClock.Instant
        var text: String
    }

    let folder: String
    private let program: String
    private let arguments: [String]
    private let faultFile: String
    private let state = Mutex(State())

    private struct State {
        var lines: [Line] = []
        var coordinator: Int32?
    }

    init(program: String, arguments: [String], folder: String) {
        self.program = program
        self.arguments = arguments
        self.folder = folder
        faultFile = folder + "/fault"
    }

    var lines: [Line] { state.withLock { $0.lines } }
    var coordinator: Int32? { state.withLock { $0.coordinator } }
    var workers: [WorkerIdentity] { WorkerRoll.read(runFolder: folder) ?? [] }

    /// Runs the launcher to its end.
    ///
    /// - Returns: Its exit code, nil when a signal ended it.
    func run() async throws -> Int32? {
        var options = PlatformOptions()
        options.createSession = true
        let result = try await Subprocess.run(
            .path(FilePath(program)), arguments: Arguments(arguments),
            environment: .inherit.updating(["APUS_FAULT": faultFile]), platformOptions: options, input: .none,
            output: .sequence, error: .sequence
        ) { launcher in
            state.withLock { $0.coordinator = launcher.processIdentifier.value }
            async let output: Void = {
                for try await line in launcher.standardOutput.strings() { note(line) }
            }()
            for try await line in launcher.standardError.strings() { note(line) }
            try await output
        }
        state.withLock { $0.coordinator = nil }
        if case .exited(let code) = result.terminationStatus { return code }
        return nil
    }

    private func note(_ line: String) {
        let text = line.trimmingCharacters(in: .newlines)
        state.withLock { $0.lines.append(Line(time: .now, text: text)) }
    }

    /// Keeps what the launcher said over all its starts, for whoever wants to know what happened when.
    func writeLog(to path: String) {
        let lines = lines
        guard let start = lines.first?.time else { return }
        let text = lines.map { line in
            String(format: "%9.3f  ", (line.time - start) / .seconds(1)) + line.text + "\n"
        }
        try? text.joined().write(toFile: path, atomically: true, encoding: .utf8)
    }

    // MARK: Faults

    /// Arms a place of the workers.
    func arm(rank: Int, _ place: FaultPoint.Place, count: Int, freezes: Bool) throws {
        let plan = "\(rank) \(place.rawValue) \(count) \(freezes ? "freeze" : "kill")\n"
        try plan.write(toFile: faultFile, atomically: true, encoding: .utf8)
    }

    var isArmed: Bool { access(faultFile, F_OK) == 0 }
    func disarm() { unlink(faultFile) }

    /// The complete ones, oldest first.
    var checkpoints: [CheckpointFolder.Entry] { (try? CheckpointFolder(folder + "/checkpoints").entries()) ?? [] }

    /// Cuts the newest checkpoint's first file short, or flips a bit in its middle.
    ///
    /// - Returns: The checkpoint; nil where there was none besides one to fall back on.
    func damageNewestCheckpoint(truncating: Bool) -> CheckpointFolder.Entry? {
        guard checkpoints.count > 1, let entry = checkpoints.last else { return nil }
        let newest = entry.path
        let files = ((try? FileManager.default.contentsOfDirectory(atPath: newest)) ?? [])
            .filter { $0.hasSuffix(".safetensors") }.sorted()
        guard let name = files.first else { return nil }
        let path = "\(newest)/\(name)"
        guard let file = FileHandle(forUpdatingAtPath: path), let size = try? file.seekToEnd() else { return nil }
        do {
            if truncating {
                try file.truncate(atOffset: size / 2)
            } else {
                try file.seek(toOffset: size / 2)
                let byte = try file.read(upToCount: 1)?.first ?? 0
                try file.seek(toOffset: size / 2)
                try file.write(contentsOf: Data([byte ^ 0x10]))
            }
            try file.close()
        } catch { return nil }
        return entry
    }

    /// Fills the file system that the run is on, if it is small, for as long as `body` runs.
    ///
    /// - Returns: Whether it was small enough to be filled.
    func whileDiskIsFull(_ body: () async -> Void) async -> Bool {
        var facts = statvfs()
        guard statvfs(folder, &facts) == 0, UInt64(facts.f_blocks) * UInt64(facts.f_frsize) <= 4 << 30 else {
            return false
        }
        let path = folder + "/filler"
        guard FileManager.default.createFile(atPath: path, contents: nil), let file = FileHandle(forWritingAtPath: path)
        else { return false }
        let piece = Data(count: 1 << 20)
        while (try? file.write(contentsOf: piece)) != nil {}
        await body()
        try? file.close()
        unlink(path)
        return true
    }
}
