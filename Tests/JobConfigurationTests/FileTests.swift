import Foundation
import JobConfiguration
import TestSupport
import Testing

@Suite struct FileTests {
    /// configs/jobs of this package.
    private static let jobs = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("configs/jobs")

    private static let shipped = ["quickstart", "shakespeare-character", "llama-small", "tensor-parallel"]

    @Test(arguments: shipped) func shippedJobsAreValid(name: String) throws {
        let path = Self.jobs.appendingPathComponent("\(name).yaml").path
        let job = try JobConfiguration.load(path: path) { _ in 8192 }
        #expect(job.name == name)
        #expect(job.model.vocabularySize == 8192)
    }

    @Test func everyShippedJobIsTested() throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.jobs.path)
        #expect(Set(files) == Set(Self.shipped.map { "\($0).yaml" }))
    }

    @Test func aMissingFileIsNamed() throws {
        let error = try #require(throws: JobError.self) { try JobConfiguration.load(path: "no/such.yaml") }
        #expect(error.description.hasPrefix("no/such.yaml: there is no such file\n  → check the path"))
    }

    @Test func aFolderIsNoJob() throws {
        try withTemporaryFolder { folder in
            let error = try #require(throws: JobError.self) { try JobConfiguration.load(path: folder.path) }
            #expect(error.description.hasPrefix("\(folder.path): this is a folder, not a file"))
        }
    }

    @Test func bytesThatAreNotTextAreRefused() throws {
        try withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("job.yaml")
            try Data([0x6e, 0xff, 0xfe, 0x00]).write(to: file)
            let error = try #require(throws: JobError.self) { try JobConfiguration.load(path: file.path) }
            #expect(error.description.hasPrefix("\(file.path): the file is not UTF-8 text"))
        }
    }
}
