import Foundation
import Numerics

/// A trace in the JSON format of Chrome's trace viewer, which ui.perfetto.dev opens.
///
/// Format: "Trace Event Format" by the Chromium project. Spans are complete events (`X`), memory is a counter (`C`).
/// Times are microseconds of the host's monotonic clock, so that the files of a host's ranks lie on one time axis.
public struct ChromeTrace {
    private let trace: Trace
    private let facts: Profile.Facts

    public init(_ trace: Trace, facts: Profile.Facts) {
        self.trace = trace
        self.facts = facts
    }

    /// The name of a rank's file.
    public static func fileName(rank: Int) -> String {
        let digits = String(rank)
        return "trace-rank-" + String(repeating: "0", count: max(3 - digits.count, 0)) + digits + ".json"
    }

    /// - Throws: `ApusError` naming the file that cannot be written.
    public func write(to path: String) throws {
        do {
            try Data(json.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw ApusError(
                "writing the profile \(path)", "it cannot be written: \(error.localizedDescription)",
                remedy: "choose another folder with --profile-folder, or make room", kind: .runtime)
        }
    }

    public var json: String {
        var text = "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"peakGFLOPs\":\(number(facts.peakGFLOPs)),"
        text += "\"copyGBs\":\(number(facts.copyGBs)),\"ranks\":\(facts.ranks),\"threads\":\(facts.threads),"
        text += "\"droppedEvents\":\(trace.droppedCount)},\"traceEvents\":[\n"
        text += metadata("process_name", thread: 0, "rank \(facts.rank)")
        let threads = threadNumbers
        for (_, number) in threads.sorted(by: { $0.value < $1.value }) {
            text += ",\n" + metadata("thread_name", thread: number, number == 0 ? "steps" : "thread \(number)")
        }
        var memory: Trace.Memory?
        for event in trace.events {
            text += ",\n" + span(event, thread: threads[event.thread] ?? 0)
            guard let now = event.memory, now != memory else { continue }
            memory = now
            text += ",\n" + counter(now, at: event.end)
        }
        return text + "\n]}\n"
    }

    /// The thread that runs the steps is 0, the others follow as they appear.
    private var threadNumbers: [UInt: Int] {
        var numbers: [UInt: Int] = [:]
        if let main = trace.events.first(where: { $0.kind == .step }) { numbers[main.thread] = 0 }
        for event in trace.events where numbers[event.thread] == nil { numbers[event.thread] = numbers.count }
        return numbers
    }

    private func metadata(_ name: String, thread: Int, _ value: String) -> String {
        "{\"ph\":\"M\",\"pid\":\(facts.rank),\"tid\":\(thread),\"name\":\"\(name)\",\"args\":{\"name\":\(quoted(value))}}"
    }

    private func counter(_ memory: Trace.Memory, at time: UInt64) -> String {
        "{\"ph\":\"C\",\"pid\":\(facts.rank),\"ts\":\(microseconds(time)),\"name\":\"arena\",\"args\":{\"bytes in use\":"
            + "\(memory.inUse),\"bytes cached\":\(memory.reserved - memory.inUse)}}"
    }

    private func span(_ event: Trace.Event, thread: Int) -> String {
        let seconds = Double(event.end - event.start) * 1e-9
        var arguments: [String] = []
        if event.shape != .none {
            arguments.append("\"rows\":\(event.shape.rows)")
            arguments.append("\"inputs\":\(event.shape.inputs)")
            arguments.append("\"outputs\":\(event.shape.outputs)")
        }
        if event.work.operations > 0 {
            arguments.append("\"FLOPs\":\(number(event.work.operations))")
            arguments.append("\"GFLOP/s\":\(number(event.work.operations / seconds / 1e9))")
        }
        if event.work.bytes > 0 {
            arguments.append("\"bytes\":\(number(event.work.bytes))")
            arguments.append("\"GB/s\":\(number(event.work.bytes / seconds / 1e9))")
        }
        if event.kind == .collective {
            arguments.append("\"waiting µs\":\(microseconds(event.waiting))")
            arguments.append("\"transferring µs\":\(microseconds(event.end - event.start - event.waiting))")
        }
        if event.idle > 0 { arguments.append("\"idle thread µs\":\(microseconds(event.idle))") }
        return "{\"ph\":\"X\",\"pid\":\(facts.rank),\"tid\":\(thread),\"ts\":\(microseconds(event.start)),\"dur\":"
            + "\(microseconds(event.end - event.start)),\"cat\":\"\(event.kind.category)\",\"name\":"
            + "\(quoted(event.title(trace.labels))),\"args\":{\(arguments.joined(separator: ","))}}"
    }

    /// With three decimals, which are nanoseconds.
    private func microseconds(_ nanoseconds: UInt64) -> String {
        let fraction = String(nanoseconds % 1000)
        return "\(nanoseconds / 1000)." + String(repeating: "0", count: 3 - fraction.count) + fraction
    }

    /// JSON has no word for infinity, which a span of no duration would have as its speed.
    private func number(_ value: Double) -> String { value.isFinite ? "\(value)" : "0" }

    private func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\\(scalar)"
            case "\u{0}"..<" ": result += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

extension Trace.Kind {
    fileprivate var category: String {
        switch self {
        case .step: "step"
        case .phase: "phase"
        case .forward: "forward"
        case .backward: "backward"
        case .collective: "collective"
        case .besides: "besides"
        }
    }
}
