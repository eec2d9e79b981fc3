import Foundation
import Numerics

/// The hosts of an Open MPI hostfile: `name [slots=N] [max_slots=N] …` a line, `#` begins a comment.
///
/// Read here so that a mistake in it is named before anything is started; `mpirun` reads the file again by itself.
public struct Hostfile: Hashable, Sendable {
    public struct Host: Hashable, Sendable {
        public var name: String
        /// Ranks that may run there; nil when the file leaves it to Open MPI, which counts the host's cores.
        public var slots: Int?
    }

    public var path: String
    public var hosts: [Host]

    /// Ranks in all, nil when a host's slots are not stated.
    public var slots: Int? {
        hosts.reduce(0) { sum, host in
            guard let sum, let slots = host.slots else { return nil }
            return sum + slots
        }
    }

    /// - Throws: `ApusError` naming the file, and the line where there is one.
    public init(path: String) throws {
        let text: String
        do {
            text = try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw ApusError(
                "reading the hostfile \(path)", error.localizedDescription,
                remedy: "name a text file with a line `host slots=N` for each host")
        }
        self.path = path
        hosts = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace)
            guard let name = words.first else { continue }
            hosts.append(Host(name: String(name), slots: try Self.slots(words.dropFirst(), at: "\(path):\(index + 1)")))
        }
        guard !hosts.isEmpty else {
            throw ApusError(
                "reading the hostfile \(path)", "it names no host",
                remedy: "write a line `host slots=N` for each host")
        }
    }

    private static func slots(_ settings: ArraySlice<Substring>, at place: String) throws -> Int? {
        var slots: Int?
        for setting in settings {
            let parts = setting.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let key = parts[0].replacing("-", with: "_")
            guard parts.count == 2, !parts[1].isEmpty else {
                throw ApusError(
                    "reading the hostfile \(place)",
                    "expected settings like slots=4 after the host, found '\(setting)'",
                    remedy: "write one host a line")
            }
            guard key == "slots" || key == "max_slots" else { continue }
            // Far more than any host has, and few enough for sums over hosts.
            guard let value = Int(parts[1]), 1...1_000_000 ~= value else {
                throw ApusError(
                    "reading the hostfile \(place)", "expected 1 to 1000000 slots, found '\(setting)'")
            }
            if key == "slots" || slots == nil { slots = value }
        }
        return slots
    }
}
