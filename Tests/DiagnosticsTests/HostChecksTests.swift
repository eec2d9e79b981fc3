import Coordination
import Diagnostics
import Kernels
import Testing

@Suite struct HostChecksTests {
    /// A host on which all is well.
    private var facts: HostFacts {
        HostFacts(
            processor: ProcessorFeatures(
                cpuinfo: "vendor_id : GenuineIntel\nmodel name : Xeon\nflags : avx2 fma bmi2 f16c avx512f\n"),
            builtFlags: ["avx2", "fma", "avx512f"], processorCount: ProcessorCount(hardwareThreads: 4, cores: 2),
            onlineProcessors: 4, processorQuota: nil, memory: 24 << 30, availableMemory: 20 << 30,
            sharedMemory: .init(size: 12 << 30, free: 11 << 30), openFileLimit: 20_000, openFileHardLimit: 1 << 20)
    }

    private func changed(_ change: (inout HostFacts) -> Void) -> HostFacts {
        var facts = facts
        change(&facts)
        return facts
    }

    @Test func aGoodHostIsOk() {
        for finding in HostChecks.all(facts) {
            #expect(finding.status == .ok, "\(finding)")
            #expect(finding.cure == nil)
        }
        #expect(HostChecks.all(facts).count == 5)
    }

    @Test func aBinaryForAnotherProcessorFails() {
        let finding = HostChecks.processor(changed { $0.builtFlags.insert("avx512bw") })
        #expect(finding.status == .failed)
        #expect(finding.detail == "Xeon lacks avx512bw, which this binary was built to use")
        #expect(finding.cure?.contains("APUS_CPU=x86-64-v3") == true)
    }

    @Test func aBinaryThatLeavesInstructionsUnusedIsWarnedOf() {
        let finding = HostChecks.processor(changed { $0.builtFlags = ["avx2", "fma"] })
        #expect(finding.status == .warning)
        #expect(finding.detail.contains("avx512f"))
    }

    @Test func aProcessorThatLinuxSaysNothingOfIsNoFailure() {
        let finding = HostChecks.processor(
            changed {
                $0.processor = ProcessorFeatures(cpuinfo: "")
                $0.builtFlags = []
            })
        #expect(finding.status == .ok)
        #expect(finding.detail.contains("unknown processor"))
    }

    @Test func aContainersQuotaIsSeen() {
        let finding = HostChecks.processorCount(changed { $0.processorQuota = 1.5 })
        #expect(finding.status == .warning)
        #expect(finding.detail.contains("1.5 processors"))
        #expect(finding.cure?.contains("within 1") == true)
        #expect(HostChecks.processorCount(changed { $0.processorQuota = 2 }).status == .ok)
    }

    @Test func anAffinityMaskIsSeen() {
        let finding = HostChecks.processorCount(changed { $0.onlineProcessors = 16 })
        #expect(finding.status == .warning)
        #expect(finding.detail.contains("12 more"))
    }

    @Test func littleMemoryIsWarnedOf() {
        let finding = HostChecks.memory(changed { $0.availableMemory = 1 << 30 })
        #expect(finding.status == .warning)
        #expect(finding.detail == "1 GiB of 24 GiB available")
    }

    @Test func sharedMemoryIsLookedAt() {
        #expect(HostChecks.sharedMemory(changed { $0.sharedMemory = nil }).status == .failed)
        let docker = HostChecks.sharedMemory(changed { $0.sharedMemory = .init(size: 64 << 20, free: 64 << 20) })
        #expect(docker.status == .warning)
        #expect(docker.cure?.contains("--shm-size") == true)
    }

    @Test func theOpenFileLimitIsLookedAt() {
        let soft = HostChecks.openFiles(changed { $0.openFileLimit = 256 })
        #expect(soft.status == .warning)
        #expect(soft.cure?.contains("ulimit -n") == true)
        let hard = HostChecks.openFiles(
            changed {
                $0.openFileLimit = 256
                $0.openFileHardLimit = 256
            })
        #expect(hard.cure?.contains("limits.conf") == true)
    }

    @Test(
        arguments: [
            ("max 100000\n", nil), ("150000 100000\n", 1.5), ("", nil), ("nonsense", nil), ("100000 0", nil),
        ] as [(String, Double?)])
    func controlGroupQuotasAreRead(_ text: String, _ quota: Double?) {
        #expect(HostFacts.quota(cpuMax: text) == quota)
    }

    @Test func thisHostIsDescribed() {
        let facts = HostFacts.current
        #expect(facts.memory > 0)
        #expect(facts.availableMemory > 0)
        #expect(facts.openFileLimit > 0)
        // What runs these tests runs here.
        #expect(HostChecks.processor(facts).status != .failed)
    }
}
