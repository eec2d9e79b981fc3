import Foundation
import Numerics

/// The run's history: one event a line, as JSON, only ever appended to while training.
///
/// A line goes to the system in one write, so that a killed process loses nothing; checkpoints, stops and the end are
/// also flushed to the disk, so that a host's crash loses at most the lines since the last checkpoint.
public final class MetricsLog {
    public let path: String
    private let file: Int32
    private var length: off_t
    /// Lines that a full disk did not take yet.
    private var waiting: [UInt8] = []
    /// Returns 0, or the error number of a write that failed; a test's may.
    package var write: (UnsafeRawBufferPointer, Int32) -> Int32 = { StandardStream.write($0, to: $1) }

    /// Lines beyond that are lost if the disk stays full.
    private static let waitingLimit = 16 << 20

    /// A line of the log: when, in seconds since 1970, and what.
    struct Line: Codable {
        var time: Double
        var event: RunEvent

        private enum CodingKeys: String, CodingKey {
            case time
        }

        init(time: Double, event: RunEvent) {
            self.time = time
            self.event = event
        }

        init(from decoder: any Decoder) throws {
            time = try decoder.container(keyedBy: CodingKeys.self).decode(Double.self, forKey: .time)
            event = try RunEvent(from: decoder)
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(time, forKey: .time)
            try event.encode(to: encoder)
        }
    }

    /// Opens the log, or creates it, for a run that goes on after `resumedStep` (0 for a new run).
    ///
    /// What an earlier start wrote after that step is about to be done again, so it is cut off: the curve holds no step
    /// twice. So is a last line that was torn by a crash.
    /// - Throws: `ApusError` naming the file when it cannot be read or written.
    public init(path: String, resumedStep: Int) throws {
        let file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
        guard file >= 0 else { throw Self.failure("opening", path) }
        do {
            let contents = try Self.read(file, path)
            let kept = resumedStep > 0 ? Self.lengthToKeep(of: contents, resumedStep: resumedStep) : 0
            if kept < contents.count {
                guard ftruncate(file, off_t(kept)) == 0, fsync(file) == 0 else {
                    throw Self.failure("truncating", path)
                }
            }
            length = off_t(kept)
        } catch {
            close(file)
            throw error
        }
        self.path = path
        self.file = file
    }

    deinit { close(file) }

    /// Appends one line. When the disk is full, what was written of the line is taken back before the error is thrown, and
    /// the next call tries again.
    public func append(_ event: RunEvent, at time: Date = Date()) throws {
        var line = EventCoding.encode(Line(time: (time.timeIntervalSince1970 * 1000).rounded() / 1000, event: event))
        line.append(UInt8(ascii: "\n"))
        if waiting.count + line.count <= Self.waitingLimit { waiting += line }
        let status = waiting.withUnsafeBytes { write($0, file) }
        guard status == 0 else {
            let error = Self.failure("writing to", path, code: status)
            ftruncate(file, length)
            throw error
        }
        length += off_t(waiting.count)
        waiting.removeAll(keepingCapacity: true)
        if event.mustReachTheDisk, fdatasync(file) != 0 { throw Self.failure("flushing", path) }
    }

    /// The events of a log, in order; lines that are torn or of a kind this version does not know are left out.
    public static func events(at path: String) throws -> [RunEvent] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw failure("opening", path) }
        defer { close(file) }
        return try read(file, path).split(separator: UInt8(ascii: "\n")).compactMap { line in
            EventCoding.decode(Line.self, from: line)?.event
        }
    }

    /// Bytes before the first line of a step after `resumedStep`. Lines are in the order of time, and a start never
    /// begins before the step at which the log was cut, so all that follows is later as well.
    ///
    /// Only a rollback makes steps come again: then the lines since the rollback count that saved the checkpoint.
    private static func lengthToKeep(of contents: Data, resumedStep: Int) -> Int {
        // Where the lines since the last rollback are to be cut, and whether they saved the checkpoint.
        var cut: Int?
        var isSaved = false
        var chosen: Int?
        var start = 0
        while let end = contents[start...].firstIndex(of: UInt8(ascii: "\n")) {
            let event = EventCoding.decode(Line.self, from: contents[start..<end])?.event
            if let step = event?.step, step > resumedStep, cut == nil { cut = start }
            switch event {
            case .checkpoint(let record) where record.step == resumedStep: isSaved = true
            case .guarded(let record) where record.rollbackStep != nil:
                if isSaved || chosen == nil { chosen = cut }
                (cut, isSaved) = (nil, false)
            default: break
            }
            start = end + 1
        }
        // `start` is where a torn last line begins.
        return isSaved || chosen == nil ? cut ?? start : chosen ?? start
    }

    private static func read(_ file: Int32, _ path: String) throws -> Data {
        var status = stat()
        guard fstat(file, &status) == 0 else { throw failure("reading", path) }
        var contents = Data(count: Int(status.st_size))
        var filled = 0
        while filled < contents.count {
            let count = contents.withUnsafeMutableBytes { bytes in
                pread(file, bytes.baseAddress! + filled, bytes.count - filled, off_t(filled))
            }
            if count < 0 {
                if errno == EINTR { continue }
                throw failure("reading", path)
            }
            if count == 0 { break }
            filled += count
        }
        return contents.prefix(filled)
    }

    private static func failure(_ operation: String, _ path: String, code: Int32 = errno) -> ApusError {
        ApusError(
            "\(operation) \(path)", String(cString: strerror(code)),
            remedy: "the run's folder must exist, be writable and have room", kind: .runtime)
    }
}

extension RunEvent {
    fileprivate var mustReachTheDisk: Bool {
        switch self {
        case .checkpoint, .guarded, .stopping, .finished: true
        case .started, .step, .evaluation, .message: false
        }
    }
}
