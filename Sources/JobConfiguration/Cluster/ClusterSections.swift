import Yams

// The keys of a cluster document, section by section.

extension ClusterConfiguration: Section {
    static var fields: [Field<ClusterConfiguration>] {
        [
            .clusterName,
            .integer("hosts", \.hosts, 1...mostHosts, required: true, "the number of hosts, called host1, host2, …"),
            .integer(
                "racks", \.racks, 1...mostHosts,
                "the number of switches that share the hosts; with 1 there is one switch and no uplink"),
            .quantity(
                "network", \.network, expectation: "a network 10.A.B.0/24", parse: ClusterNetwork.init,
                "where the hosts' addresses are taken from; one that is free unless given"),
            .section("host", \.host, "what every host is like"),
            .section("uplink", \.uplink, "the link between a rack's switch and the switch between the racks"),
            .overrides,
            .optionalFeatures,
        ]
    }

    /// The last addresses of a network are the coordinator's and the broadcast's.
    static let mostHosts = 200
}

extension HostSettings: Section {
    static var fields: [Field<HostSettings>] {
        [
            .slots,
            .processors,
            .quantity("memory", \.memory, "the memory of all processes of the host together"),
        ] + LinkSettings.fields(of: \.link, "the host's link to its switch")
    }
}

extension LinkSettings: Section {
    static var fields: [Field<LinkSettings>] { fields(of: \.self, "the link") }

    fileprivate static func fields<Owner>(
        of link: WritableKeyPath<Owner, LinkSettings>, _ name: String
    ) -> [Field<Owner>] {
        [
            .quantity(
                "bandwidth", link.appending(path: \.bandwidth), "the rate of each direction of \(name)"),
            .quantity(
                "latency", link.appending(path: \.latency), "the time that a packet spends on \(name)"),
            .quantity(
                "loss", link.appending(path: \.loss), "the share of packets that \(name) loses, in each direction"),
        ]
    }
}

extension Field {
    /// A value with its unit, or nothing.
    fileprivate static func quantity<Value: WrittenQuantity>(
        _ key: String, _ property: WritableKeyPath<Owner, Value?>, _ about: String
    ) -> Field {
        quantity(key, property, expectation: Value.expectation, parse: { Value($0) }, about)
    }

    fileprivate static func quantity<Value: CustomStringConvertible>(
        _ key: String, _ property: WritableKeyPath<Owner, Value?>, expectation: String,
        parse: @escaping (String) -> Value?, _ about: String
    ) -> Field {
        Field(key: key, about: about) { node, owner, path, context in
            if let scalar = node.scalar, scalar.isNull {
                owner[keyPath: property] = nil
            } else if let value = node.scalar.flatMap({ parse($0.string) }) {
                owner[keyPath: property] = value
            } else {
                context.reject(node, path, expected: expectation, about: about)
            }
        } print: {
            $0[keyPath: property].map { .line("\($0)") } ?? .absent
        }
    }
}

extension Field where Owner == HostSettings {
    fileprivate static var slots: Field {
        let about = "the number of ranks that the host takes; 1 unless given"
        return Field(key: "slots", about: about) { node, host, path, context in
            if let value = context.integer(node, at: path, in: 1...1024, about: about) { host.slots = value }
        } print: {
            $0.slots.map { .line(String($0)) } ?? .absent
        }
    }

    fileprivate static var processors: Field {
        let about = "the processors' worth of time that the host's processes share; what the machine gives unless given"
        return Field(key: "processors", about: about) { node, host, path, context in
            if let text = context.plainText(node), let value = Float(text), 0.05...1024 ~= value {
                host.processors = value
            } else {
                context.reject(node, path, expected: "a number from 0.05 to 1,024", about: about)
            }
        } print: {
            $0.processors.map { .line("\($0)") } ?? .absent
        }
    }
}

extension Field where Owner == ClusterConfiguration {
    fileprivate static var clusterName: Field {
        let about = "the name of the cluster"
        return Field(key: "name", about: about, isRequired: true) { node, cluster, path, context in
            guard let text = context.text(node, at: path, about: about) else { return }
            if text.wholeMatch(of: /[a-z0-9][a-z0-9-]{0,31}/) != nil {
                cluster.name = text
            } else {
                context.reject(
                    node, path, expected: "at most 32 small letters, digits and '-', a letter or digit first",
                    about: about)
            }
        } print: {
            .line(printedString($0.name))
        }
    }

    /// A section for each host that differs.
    fileprivate static var overrides: Field {
        let about = "what single hosts are like instead, each below its name"
        return Field(key: "overrides", about: about) { node, cluster, path, context in
            guard let mapping = context.mapping(node, at: path) else { return }
            for (key, value) in mapping {
                let host = key.scalar?.string ?? ""
                let hostPath = join(path, host)
                context.noteValue(at: hostPath, key.mark ?? value.mark)
                var settings = HostSettings()
                HostSettings.decode(value, into: &settings, at: hostPath, context)
                cluster.overrides[host] = settings
            }
        } print: { cluster in
            cluster.overrides.isEmpty
                ? .absent
                : .section(
                    cluster.overrides.sorted { $0.key < $1.key }.flatMap { host, settings in
                        ["\(host):"] + settings.printed().map { "  \($0)" }
                    })
        }
    }

    fileprivate static var optionalFeatures: Field {
        let words = ClusterFeature.allCases.map(\.rawValue)
        let about = "what is left out where the machine has no means for it: \(words.joined(separator: ", "))"
        return Field(key: "optional", about: about) { node, cluster, path, context in
            let items = node.sequence.map { Array($0) } ?? [node]
            let features = items.map { $0.scalar.flatMap { ClusterFeature(rawValue: $0.string) } }
            if let wrong = features.firstIndex(of: nil) {
                context.reject(
                    items[wrong], path, expected: "a list of \(words.joined(separator: ", "))", about: about)
            } else {
                cluster.optional = features.compactMap { $0 }
            }
        } print: {
            .line("[" + $0.optional.map(\.rawValue).joined(separator: ", ") + "]")
        }
    }
}
