import Foundation
import Kernels
import Testing

@Suite struct BLASCoreSelectionTests {
    private func features(vendor: String, _ flags: String) -> ProcessorFeatures {
        ProcessorFeatures(
            cpuinfo: """
                processor\t: 0
                vendor_id\t: \(vendor)
                model name\t: Some: processor @ 2 GHz
                flags\t\t: fpu sse2 \(flags)

                processor\t: 1
                vendor_id\t: \(vendor)
                flags\t\t: fpu

                """)
    }

    @Test func featuresAreThoseOfTheFirstProcessor() {
        let features = features(vendor: "GenuineIntel", "avx2 fma")
        #expect(features.vendor == "GenuineIntel")
        #expect(features.model == "Some: processor @ 2 GHz")
        #expect(features.hasAVX2 && !features.hasAVX512)
        #expect(ProcessorFeatures(cpuinfo: "").flags.isEmpty)
    }

    @Test func kernelsFollowTheInstructionSets() {
        func cores(_ vendor: String, _ flags: String) -> [String] {
            BLASCoreSelection.suitableCores(for: features(vendor: vendor, flags))
        }
        let avx512 = "avx2 fma avx512f avx512bw avx512dq avx512vl avx512cd"
        #expect(cores("GenuineIntel", avx512).first == "SkylakeX")
        #expect(cores("AuthenticAMD", avx512).first == "SkylakeX")
        #expect(cores("GenuineIntel", "avx2 fma avx512f").first == "Haswell", "512 bits without the rest don't do")
        #expect(cores("GenuineIntel", "avx2 fma").first == "Haswell")
        #expect(cores("AuthenticAMD", "avx2 fma").first == "Zen")
        #expect(cores("GenuineIntel", "avx") == [])
    }

    @Test func workersGetOnlyWhatDiffers() {
        let needed = BLASCoreSelection.environmentForWorkers(on: features(vendor: "GenuineIntel", "avx"))
        #expect(needed.isEmpty, "nothing better is known")
        let state = BLASCoreSelection.state
        if state.isSuitable { #expect(BLASCoreSelection.environmentForWorkers().isEmpty) }
        if ProcessInfo.processInfo.environment["OPENBLAS_CORETYPE"] != nil {
            #expect(BLASCoreSelection.environmentForWorkers().isEmpty, "the user's choice stands")
        }
    }

    @Test func theKernelsInUseAreRight() throws {
        try BLASCoreSelection.checkProducts()
        #expect(!BLAS.core.isEmpty)
    }
}

@Suite struct PeakMeasurementTests {
    /// Only that the figures are possible: speed itself isn't tested.
    @Test func figuresArePossible() {
        let peak = PeakMeasurement.multiplyAddGFLOPs(threads: 1)
        #expect(peak > 0.5 && peak < 2_000)
        let bandwidth = PeakMeasurement.copyGBs(threads: 2)
        #expect(bandwidth > 0.1 && bandwidth < 10_000)
    }
}
