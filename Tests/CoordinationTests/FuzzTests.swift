import Coordination
import Foundation
import TestSupport
import Testing

/// Any bytes are a hostfile or are refused in order.
@Suite struct FuzzTests {
    @Test func anyBytesAreAHostfileOrRefused() throws {
        let sample = "# the cluster\na slots=4 max_slots=8\n\n  b\tmax-slots=2  # old\n10.0.0.3 slots=1\n"
        try withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("hosts").path
            let taken = try fuzz(
                "hostfile", samples: [Array(sample.utf8)],
                words: ["slots=", "max_slots=", "=", "#", "\n", " ", "\0", "\u{2028}"]
            ) {
                try replaceFile(path, $0)
                let file = try Hostfile(path: path)
                _ = file.slots
            }
            #expect(taken > 0)
        }
    }
}
