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
        let settled = try StudyLayout("pipeline=4,schedule=gpipe,tensor=2,sequence=true")
        #expect(settled.title == "pipeline 4 × tensor 2 (schedule gpipe, sequence true)")
        #expect(settled.family == "pipeline × tensor (schedule gpipe, sequence true)")
        #expect(settled.settings.map(\.key) == ["schedule", "sequence"])
    }

    @Test(arguments: [
        ("", "expected AXIS=DEGREE or KEY=VALUE, found ''"),
        ("data", "expected AXIS=DEGREE or KEY=VALUE, found 'data'"),
        ("data=", "found 'data='"), ("data=0", "expected a degree from 1 to 4096 for 'data', found '0'"),
        ("data=-2", "found '-2'"), ("data=2,data=2", "'data' is there twice"), ("data=2,", "found ''"),
        ("schedule=gpipe,schedule=gpipe", "'schedule' is there twice"), ("schedule=[a]", "found 'schedule=[a]'"),
        ("data=99999999999999999999", "expected a degree"), ("data=2=2", "found 'data=2=2'"),
    ])
    func wrongLayoutsAreExplained(text: String, problem: String) {
        let error = #expect(throws: ApusError.self) { try StudyLayout(text) }
        #expect(error?.problem.contains(problem) == true)
        #expect(error?.remedy?.contains("data=2,tensor=2") == true)
    }
}
