/// How one gets into a host of a cluster: a script that stands in the place of ssh.
package enum HostEntry {
    /// `enter HOST COMMAND…` runs a command of a shell on a host, as `ssh HOST COMMAND…` does: with the host's name, its
    /// network, its limits, and the names of all hosts. The environment is the caller's.
    package static func script(_ state: ClusterState, folder: String) -> String {
        let cluster = state.layout.name
        let down = state.layout.hosts.map(\.name).filter(state.failedHosts.contains)
        let groups = state.groups.folders(ClusterLayout.prefix(of: cluster) + "$host").map { "\"\($0)\"" }
        return """
            #!/bin/sh
            # Runs a command on a host of the emulated cluster '\(cluster)', as ssh would: enter HOST COMMAND…
            host=$1
            shift
            case " \(down.joined(separator: " ")) " in *" $host "*)
                echo "enter: $host of the cluster '\(cluster)' is down (apus cluster heal $host)" >&2
                exit 255 ;;
            esac
            namespace="/run/netns/\(ClusterLayout.prefix(of: cluster))$host"
            if [ ! -e "$namespace" ]; then
                echo "enter: there is no host '$host' in the cluster '\(cluster)'" >&2
                exit 255
            fi
            for group in \(groups.joined(separator: " ")); do
                [ ! -d "$group" ] || echo $$ >"$group/cgroup.procs" || exit 255
            done
            exec nsenter --net="$namespace" unshare --uts --mount sh -c '
                mount --bind \(folder)/hosts /etc/hosts && echo "$0" >/proc/sys/kernel/hostname || exit 255
                exec sh -c "$*"' "$host" "$@"

            """
    }

    /// The hosts' `/etc/hosts`.
    package static func hostNames(_ layout: ClusterLayout) -> String {
        let hosts = layout.hosts.map { "\($0.address) \($0.name)\n" }.joined()
        return "127.0.0.1 localhost\n::1 localhost\n\(layout.coordinatorAddress) coordinator\n\(hosts)"
    }

    /// A word as the script's shell takes it.
    package static func quoted(_ word: String) -> String { "'" + word.replacing("'", with: "'\\''") + "'" }
}
