import JobConfiguration

/// One thing that is done to the machine.
package enum SystemAction: Hashable, Sendable {
    /// Runs a program of iproute2.
    case run([String])
    /// Makes a control group.
    case makeGroup(String)
    /// Writes a setting of a control group.
    case write(String, to: String)
}

/// What is done to make a cluster and to change it, as data.
package enum ClusterPlan {
    /// Everything from nothing to a cluster that works, in order. With the namespaces everything but the control groups
    /// goes away again.
    package static func creation(of layout: ClusterLayout, groups: ControlGroups) -> [SystemAction] {
        switches(layout) + control(layout) + layout.hosts.flatMap { host(layout, $0, groups) }
            + layout.links.flatMap { shaping($0, as: layout.shape(of: $0), in: layout) }
    }

    /// The switches and what connects them: bridges in a namespace of their own.
    private static func switches(_ layout: ClusterLayout) -> [SystemAction] {
        var commands = [["ip", "netns", "add", layout.switchNamespace]]
        let ip = ["ip", "-n", layout.switchNamespace]
        func addSwitch(_ name: String) {
            commands.append(ip + ["link", "add", name, "type", "bridge"])
            commands.append(ip + ["link", "set", name, "up"])
        }
        for rack in 1...layout.racks { addSwitch("rack\(rack)") }
        if layout.racks > 1 {
            addSwitch("core")
            for rack in 1...layout.racks {
                commands.append(ip + ["link", "add", "up\(rack)", "type", "veth", "peer", "name", "down\(rack)"])
                commands.append(ip + ["link", "set", "up\(rack)", "master", "rack\(rack)", "up"])
                commands.append(ip + ["link", "set", "down\(rack)", "master", "core", "up"])
            }
        }
        return commands.map { .run($0) }
    }

    /// The machine's own link to the switch, which nothing slows down.
    private static func control(_ layout: ClusterLayout) -> [SystemAction] {
        let device = layout.controlInterface
        return [
            [
                "ip", "link", "add", device, "type", "veth", "peer", "name", "control", "netns",
                layout.switchNamespace,
            ],
            [
                "ip", "-n", layout.switchNamespace, "link", "set", "control", "master",
                layout.racks > 1 ? "core" : "rack1", "up",
            ],
            ["ip", "address", "add", layout.coordinatorAddress + "/24", "dev", device],
            ["ip", "link", "set", device, "up"],
        ].map { .run($0) }
    }

    private static func host(
        _ layout: ClusterLayout, _ host: ClusterLayout.Host, _ groups: ControlGroups
    ) -> [SystemAction] {
        let namespace = layout.namespace(of: host)
        let commands = [
            ["ip", "netns", "add", namespace],
            ["ip", "-n", namespace, "link", "set", "lo", "up"],
            [
                "ip", "-n", layout.switchNamespace, "link", "add", host.name, "type", "veth", "peer", "name", "eth0",
                "netns", namespace,
            ],
            [
                "ip", "-n", layout.switchNamespace, "link", "set", host.name, "master", "rack\(host.rack)", "up",
            ],
            ["ip", "-n", namespace, "address", "add", host.address + "/24", "dev", "eth0"],
            ["ip", "-n", namespace, "link", "set", "eth0", "up"],
        ]
        return commands.map { .run($0) }
            + groups.limiting(
                layout.controlGroup(of: host), processors: host.processors, memory: host.memory)
    }

    /// Gives both ends of a new link a shape.
    package static func shaping(
        _ link: ClusterLink, as shape: LinkShape, in layout: ClusterLayout
    ) -> [SystemAction] {
        layout.ends(of: link).flatMap { shape.commands(device: $0.device, namespace: $0.namespace) }.map { .run($0) }
    }

    /// Takes away the shape that both ends of a link have.
    package static func unshaping(_ link: ClusterLink, in layout: ClusterLayout) -> [SystemAction] {
        layout.ends(of: link).map {
            .run(["tc", "-n", $0.namespace, "qdisc", "delete", "dev", $0.device, "root"])
        }
    }

    /// Cuts a link, or joins it again.
    package static func connecting(_ link: ClusterLink, _ connected: Bool, in layout: ClusterLayout) -> [SystemAction] {
        let end = layout.ends(of: link)[0]
        return [.run(["ip", "-n", end.namespace, "link", "set", end.device, connected ? "up" : "down"])]
    }
}
