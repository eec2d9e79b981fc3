import Foundation
import JobConfiguration

/// Where this machine's control groups are: the kernel's means to limit processor time and memory of several processes
/// together. Either version may have either controller, and there may be none at all.
package struct ControlGroups: Codable, Hashable, Sendable {
    package struct Controller: Codable, Hashable, Sendable {
        package enum Version: Int, Codable, Sendable {
            case one = 1
            case two = 2
        }
        package var version: Version
        /// The folder of the hierarchy's root group.
        package var root: String

        package init(version: Version, root: String) {
            self.version = version
            self.root = root
        }
    }

    package var processors: Controller?
    package var memory: Controller?

    package init(processors: Controller? = nil, memory: Controller? = nil) {
        self.processors = processors
        self.memory = memory
    }

    /// Those of this machine.
    package static var ofThisMachine: ControlGroups {
        ControlGroups(mounts: (try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)) ?? "") {
            (try? String(contentsOfFile: $0 + "/cgroup.controllers", encoding: .utf8)) ?? ""
        }
    }

    /// - Parameters:
    ///   - mounts: As `/proc/self/mounts` has them: device, place, type, options.
    ///   - controllers: The file `cgroup.controllers` of a hierarchy of version 2.
    package init(mounts: String, controllers: (_ root: String) -> String) {
        for line in mounts.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            guard words.count >= 4 else { continue }
            let names: [Substring]
            let version: Controller.Version
            switch words[2] {
            case "cgroup": (names, version) = (words[3].split(separator: ","), .one)
            case "cgroup2": (names, version) = (controllers(words[1]).split(whereSeparator: \.isWhitespace), .two)
            default: continue
            }
            if processors == nil, names.contains("cpu") { processors = Controller(version: version, root: words[1]) }
            if memory == nil, names.contains("memory") { memory = Controller(version: version, root: words[1]) }
        }
    }

    package var missing: Set<ClusterFeature> {
        var missing: Set<ClusterFeature> = []
        if processors == nil { missing.insert(.processors) }
        if memory == nil { missing.insert(.memory) }
        return missing
    }

    /// The folders that a group of this name has or may have.
    package func folders(_ group: String) -> [String] {
        var folders: [String] = []
        for controller in [processors, memory].compactMap({ $0 }) {
            let folder = "\(controller.root)/\(group)"
            if !folders.contains(folder) { folders.append(folder) }
        }
        return folders
    }

    /// Makes a group with these limits; nothing where there are none.
    package func limiting(_ group: String, processors share: Double?, memory bytes: Int?) -> [SystemAction] {
        var actions: [SystemAction] = []
        func enter(_ controller: Controller, _ name: String) -> String {
            let folder = "\(controller.root)/\(group)"
            if controller.version == .two {
                actions.append(.write("+\(name)", to: controller.root + "/cgroup.subtree_control"))
            }
            if !actions.contains(.makeGroup(folder)) { actions.append(.makeGroup(folder)) }
            return folder
        }
        if let share, let processors {
            let folder = enter(processors, "cpu")
            actions += Self.processorLimit(share, folder, processors.version)
        }
        if let bytes, let memory {
            let folder = enter(memory, "memory")
            let file = memory.version == .two ? "memory.max" : "memory.limit_in_bytes"
            actions.append(.write(String(bytes), to: "\(folder)/\(file)"))
        }
        return actions
    }

    private static func processorLimit(
        _ share: Double, _ folder: String, _ version: Controller.Version
    ) -> [SystemAction] {
        // In every hundredth of a second the processes of the group run for at most so many microseconds. Over a longer
        // time whoever has used up its share would let messages wait; the kernel takes no share below a millisecond.
        let period = max(10_000, Int((1000 / share).rounded(.up)))
        let quota = Int((share * Double(period)).rounded())
        return switch version {
        case .one:
            [
                .write(String(period), to: folder + "/cpu.cfs_period_us"),
                .write(String(quota), to: folder + "/cpu.cfs_quota_us"),
            ]
        case .two: [.write("\(quota) \(period)", to: folder + "/cpu.max")]
        }
    }
}
