import Numerics
import Parallelism
import Studies
import Testing

@Suite struct StudyLayoutTests {
    @Test func layoutsAreRead() throws {
        #expect(try StudyLayout("data=1").mesh == MeshConfiguration())
        let both = try StudyLayout("tensor=2,data=4")
        #expect(both.mesh == MeshConfiguration(data: 4, tensor: 2))
        #expect(both.title == "data 4 × tensor 2")
        #expect(both.family == "data × tensor")
        #expect(try StudyLayout("data=1,tensor=1").title == "1 rank")
        #expect(try StudyLayout("pipeline=2").family == "pipeline")
    }

    @Test(arguments: [
        ("", "expected AXIS=DEGREE, found ''"), ("data", "expected AXIS=DEGREE, found 'data'"),
        ("data=", "expected a degree from 1 to 4096, found ''"), ("data=0", "found '0'"), ("data=-2", "found '-2'"),
        ("data=2,data=2", "the axis 'data' is there twice"), ("data=2,", "found ''"),
        ("width=2", "there is no axis 'width'"), ("data=99999999999999999999", "expected a degree"),
        ("data=2=2", "expected AXIS=DEGREE"),
    ])
    func wrongLayoutsAreExplained(text: String, problem: String) {
        let error = #expect(throws: ApusError.self) { try StudyLayout(text) }
        #expect(error?.problem.contains(problem) == true)
        #expect(error?.remedy?.contains("data=2,tensor=2") == true)
    }
}
