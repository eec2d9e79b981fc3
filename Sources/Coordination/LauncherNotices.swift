import Foundation

/// What `mpirun` says by itself on standard error, told apart from the workers' words.
///
/// Open MPI frames its notices in lines of dashes. Those about a rank that ended are read and dropped, since the
/// coordinator says it better; all others (a host that cannot be reached, too few slots) are passed on.
package struct LauncherNotices {
    /// How a rank ended, as far as the launcher knows.
    package struct Ending: Hashable {
        package var rank: Int?
        package var cause: Cause

        package enum Cause: Hashable {
            case signal(Int32, name: String)
            case exit(Int32)
        }
    }

    package private(set) var firstEnding: Ending?
    private var notice: [String]?

    private static let frame = String(repeating: "-", count: 70)

    package init() {}

    /// Takes a line of standard error and returns the lines to keep as words, which a notice holds back until it ends.
    package mutating func accept(_ line: String) -> [String] {
        if line.hasPrefix(Self.frame), line.allSatisfy({ $0 == "-" }) {
            guard let lines = notice else {
                notice = []
                return []
            }
            notice = nil
            return note(lines) ? [] : lines
        }
        if notice != nil {
            notice?.append(line)
            return []
        }
        if line.hasPrefix("mpirun: Forwarding signal") { return [] }
        return readSlurm(line) ? [] : [line]
    }

    /// The lines of a notice that never ended.
    package mutating func flush() -> [String] {
        defer { notice = nil }
        return notice ?? []
    }

    /// How the first rank ended by what the launcher said or, since `mpirun` sometimes ends before it has said it, by its
    /// exit code: 128 and the number of the signal that ended a rank.
    package func ending(exitCode: Int32) -> Ending? {
        if let firstEnding { return firstEnding }
        let signal = exitCode - 128
        guard (1...31).contains(signal) else { return nil }
        return Ending(rank: nil, cause: .signal(signal, name: String(cString: strsignal(signal))))
    }

    /// Reads a notice about a rank that ended; false for a notice about something else.
    private mutating func note(_ lines: [String]) -> Bool {
        let text = lines.joined(separator: " ")
        // "mpirun noticed that process rank 1 with PID 0 on node a exited on signal 9 (Killed)."
        if let match = text.firstMatch(of: /process rank (\d+) .*?exited on signal (\d+)(?: \(([^)]*)\))?/) {
            record(Int(match.1), .signal(Int32(match.2) ?? 0, name: String(match.3 ?? "unknown")))
            return true
        }
        // "Process name: [[16969,1],2]  Exit code:    3"
        if let match = text.firstMatch(of: /Process name: \[\[\d+,\d+\],(\d+)\]\s+Exit code:\s+(\d+)/) {
            record(Int(match.1), .exit(Int32(match.2) ?? 1))
            return true
        }
        return text.hasPrefix("Primary job  terminated normally")
    }

    /// Slurm's "srun: error: host: task 1: Killed" and "… task 1: Exited with exit code 3".
    private mutating func readSlurm(_ line: String) -> Bool {
        guard let match = line.firstMatch(of: /^srun: error: \S+: tasks? (\d+)\S*: (.*)$/) else { return false }
        if let code = match.2.firstMatch(of: /Exited with exit code (\d+)/) {
            record(Int(match.1), .exit(Int32(code.1) ?? 1))
        } else {
            record(Int(match.1), .signal(match.2 == "Killed" ? 9 : 0, name: String(match.2)))
        }
        return true
    }

    private mutating func record(_ rank: Int?, _ cause: Ending.Cause) {
        if firstEnding == nil { firstEnding = Ending(rank: rank, cause: cause) }
    }
}

extension LauncherNotices.Ending: CustomStringConvertible {
    package var description: String {
        let who = rank.map { "rank \($0)" } ?? "a rank"
        switch cause {
        case .signal(let number, let name):
            let hint = number == 9 ? "; the system kills the largest process when memory runs out" : ""
            return "\(who) was ended by signal \(number) (\(name))\(hint)"
        case .exit(let code): return "\(who) failed with exit code \(code)"
        }
    }
}
