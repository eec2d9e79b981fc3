import Foundation
import Numerics
import Testing

@Suite struct ProcessResourcesTests {
    @Test func memoryFollowsWhatIsTouched() {
        let before = ProcessMemory.currentMiB
        #expect(before > 1)
        let count = 16 << 20
        let buffer = Arena.allocateAligned(count)
        buffer.update(repeating: 1, count: count)
        let during = ProcessMemory.currentMiB
        #expect(during - before > 48, "64 MiB were touched")
        #expect(ProcessMemory.peakMiB >= during - 1)
        Arena.deallocate(buffer)
        #expect(ProcessMemory.currentMiB < during)
    }

    @Test func coresFollowTheAffinityMask() {
        #expect(OnlineCores.count >= 1)
        #expect(OnlineCores.count <= sysconf(Int32(_SC_NPROCESSORS_CONF)))
        #expect(OnlineCores.count(inStatus: "Name:\tapus\nCpus_allowed:\tff,00000003\nMems_allowed:\t1\n") == 10)
        #expect(OnlineCores.count(inStatus: "Name:\tapus\n") == nil)
    }
}
