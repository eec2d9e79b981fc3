import Coordination
import Numerics
import TestSupport
import Testing

@Suite struct HostfileTests {
    private func read(_ text: String) throws -> Hostfile {
        try withTemporaryFolder { folder in
            let path = folder.path + "/hosts"
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            return try Hostfile(path: path)
        }
    }

    @Test func hostsAndSlotsAreRead() throws {
        let file = try read("# the cluster\na slots=4 max_slots=8\n\n  b\tmax-slots=2  # old\n10.0.0.3 slots=1\n")
        #expect(file.hosts.map(\.name) == ["a", "b", "10.0.0.3"])
        #expect(file.hosts.map(\.slots) == [4, 2, 1])
        #expect(file.slots == 7)
        #expect(try read("a slots=4\nb\n").slots == nil)
    }

    @Test(arguments: [
        ("a slots=4\nb slots=many\n", ":2", "slots=many"), ("a slots=0\n", ":1", "slots=0"),
        ("a slots=-1\n", ":1", "slots=-1"), ("a b c\n", ":1", "'b'"), ("a slots=\n", ":1", "'slots='"),
        // The sum of slots would not be a number.
        ("a slots=9223372036854775807\nb slots=9223372036854775807\n", ":1", "slots=9223372036854775807"),
        ("# nobody\n", "hosts", "names no host"), ("", "hosts", "names no host"),
    ])
    func mistakesAreNamedWithTheirLine(_ text: String, _ place: String, _ found: String) {
        let error = #expect(throws: ApusError.self) { try read(text) }
        #expect(error?.description.contains(place) == true)
        #expect(error?.description.contains(found) == true)
    }

    @Test func aMissingFileIsNamed() {
        let error = #expect(throws: ApusError.self) { try Hostfile(path: "/nowhere/hosts") }
        #expect(error?.description.contains("/nowhere/hosts") == true)
    }
}
