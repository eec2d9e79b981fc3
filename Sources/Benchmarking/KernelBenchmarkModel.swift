import Autograd
import Kernels
import Models
import Numerics
import Optimization

/// A model and a batch whose shapes the kernels are timed at.
struct KernelBenchmarkModel {
    let name: String
    let model: ModelConfiguration
    let batch: Int

    private init(_ name: String, _ model: ModelConfiguration, batch: Int) {
        self.name = name
        self.model = model
        self.batch = batch
    }

    /// From a toy to the small models that people train on CPUs, with short and with long sequences.
    static let all: [KernelBenchmarkModel] = [
        .init(
            "gpt2-128x64",
            ModelConfiguration(
                architecture: .gpt2, layers: 4, hiddenSize: 128, heads: 4, contextLength: 64, vocabularySize: 65),
            batch: 12),
        .init(
            "gpt2-384x256",
            ModelConfiguration(
                architecture: .gpt2, layers: 6, hiddenSize: 384, heads: 6, contextLength: 256, vocabularySize: 65),
            batch: 16),
        .init(
            "gpt2-124m-x64",
            ModelConfiguration(
                architecture: .gpt2, layers: 12, hiddenSize: 768, heads: 12, contextLength: 64,
                vocabularySize: 50_257), batch: 4),
        .init(
            "gpt2-124m-x1024",
            ModelConfiguration(
                architecture: .gpt2, layers: 12, hiddenSize: 768, heads: 12, contextLength: 1024,
                vocabularySize: 50_257), batch: 1),
        .init(
            "llama-135m-x512",
            ModelConfiguration(
                architecture: .llama, layers: 30, hiddenSize: 576, heads: 9, keyValueHeads: 3, feedForwardSize: 1536,
                contextLength: 512, vocabularySize: 49_152), batch: 2),
        .init(
            "gpt2-256x4096",
            ModelConfiguration(
                architecture: .gpt2, layers: 4, hiddenSize: 256, heads: 4, contextLength: 4096, vocabularySize: 256),
            batch: 1),
    ]

    var cases: [KernelCase] { linearCases + attentionCases + normCases + elementCases + lossCases + updateCases }

    private var isLlama: Bool { model.architecture == .llama }
    private var tokens: Int { batch * model.contextLength }
    private var width: Int { model.hiddenSize }

    private func item(
        _ kernel: String, _ shape: Trace.Shape, _ prepare: @escaping (KernelWorkbench) -> () -> Void
    ) -> KernelCase {
        KernelCase(name: "\(kernel) \(shape.text)", models: [name], prepare: prepare)
    }

    // MARK: Products

    /// Inputs and outputs of a block's linears.
    private var linears: [(inputs: Int, outputs: Int)] {
        let queryKeyValue = (model.heads + 2 * model.keyValueHeads) * model.headSize
        let expanded = model.feedForwardSize * (isLlama ? 2 : 1)
        return [(width, queryKeyValue), (width, width), (width, expanded), (model.feedForwardSize, width)]
    }

    private var linearCases: [KernelCase] {
        linears.flatMap { inputs, outputs in
            [
                // Forward, the gradient of the input, and that of the weight.
                product("product A·Bᵀ", rows: tokens, depth: inputs, columns: outputs, transposesB: true),
                product("product A·B", rows: tokens, depth: outputs, columns: inputs),
                product("product Aᵀ·B", rows: outputs, depth: tokens, columns: inputs, transposesA: true),
                linear(inputs, outputs),
            ]
        }
    }

    private func product(
        _ name: StaticString, rows: Int, depth: Int, columns: Int, transposesA: Bool = false, transposesB: Bool = false
    ) -> KernelCase {
        let shape = Trace.Shape(rows: rows, inputs: depth, outputs: columns)
        return item("\(name)", shape) { bench in
            let (a, b) = (bench.numbers(rows * depth), bench.numbers(depth * columns))
            let c = bench.numbers(rows * columns)
            let product = MatrixProduct(
                rows: rows, columns: columns, depth: depth,
                .init(a, stride: transposesA ? rows : depth, isTransposed: transposesA),
                .init(b, stride: transposesB ? depth : columns, isTransposed: transposesB), into: c)
            let work = Trace.Work.product(rows: rows, columns: columns, depth: depth)
            return bench.kernel(name, shape, work) { product.run(on: $0) }
        }
    }

    /// With bias, and GELU where the model has it there.
    private func linear(_ inputs: Int, _ outputs: Int) -> KernelCase {
        let isExpansion = !isLlama && outputs == model.feedForwardSize
        return item("linear", Trace.Shape(rows: tokens, inputs: inputs, outputs: outputs)) { bench in
            let (x, weight) = (bench.tensor(tokens, inputs), bench.tensor(outputs, inputs))
            let bias = isLlama ? nil : bench.tensor(1, outputs)
            return bench.step { $0.linear(x, weight: weight, bias: bias, activation: isExpansion ? .geluTanh : .none) }
        }
    }

    // MARK: Attention and norms

    private var attentionCases: [KernelCase] {
        let shape = AttentionShape(
            batch: batch, sequence: model.contextLength, heads: model.heads, keyValueHeads: model.keyValueHeads,
            headSize: model.headSize)
        let sizes = Trace.Shape(rows: tokens, inputs: shape.inputColumns, outputs: shape.outputColumns)
        let turned = (model.heads + model.keyValueHeads) * model.headSize
        let attention = item("causal attention of \(batch) × \(model.heads) heads", sizes) { bench in
            let qkv = bench.tensor(tokens, shape.inputColumns)
            return bench.step { $0.causalAttention(qkv, shape) }
        }
        let rotary = item("rotary embedding", Trace.Shape(rows: tokens, inputs: turned)) { bench in
            let table = RotaryTable(headSize: model.headSize, contextLength: model.contextLength, theta: 10_000)
            let x = bench.numbers(tokens * turned)
            return bench.kernel(
                "rotary embedding", Trace.Shape(rows: tokens, inputs: turned), .moving(2 * tokens * turned)
            ) { pool in
                pool.forEachRange(tokens, tileSize: 16) { rows, _ in
                    for row in rows {
                        table.rotate(
                            x + row * turned, heads: model.heads + model.keyValueHeads,
                            position: row % model.contextLength)
                    }
                }
            }
        }
        return isLlama ? [attention, rotary] : [attention]
    }

    private var normCases: [KernelCase] {
        let shape = Trace.Shape(rows: tokens, inputs: width)
        if isLlama {
            return [
                item("RMS norm", shape) { bench in
                    let (x, weight) = (bench.tensor(tokens, width), bench.tensor(1, width))
                    return bench.step { $0.rmsNorm(x, weight: weight, epsilon: 1e-5) }
                }
            ]
        }
        return [
            item("layer norm", shape) { bench in
                let (x, weight, bias) = (bench.tensor(tokens, width), bench.tensor(1, width), bench.tensor(1, width))
                return bench.step { $0.layerNorm(x, weight: weight, bias: bias, epsilon: 1e-5) }
            }
        ]
    }

    // MARK: Element by element

    private var elementCases: [KernelCase] {
        let hidden = Trace.Shape(rows: tokens, inputs: width)
        let expanded = Trace.Shape(rows: tokens, inputs: model.feedForwardSize)
        let count = tokens * model.feedForwardSize
        var cases = [
            item("dropout", hidden) { bench in
                let x = bench.tensor(tokens, width)
                let samples = bench.samples(batch)
                let dropout = Dropout(
                    probability: 0.1, seed: 1, site: 0, sampleIndices: samples, sequenceLength: model.contextLength)
                return bench.step { $0.dropout(x, dropout) }
            },
            item("dropout mask", hidden) { bench in
                let factors = bench.numbers(tokens * width)
                let mask = DropoutMask(probability: 0.1, key: (1, 2))
                return bench.kernel("dropout mask", hidden, .moving(tokens * width)) { pool in
                    pool.forEachRange(tokens, tileSize: 16) { rows, _ in
                        for row in rows {
                            mask.write(0..<width, counter: (UInt32(row), 0, 0), into: factors + row * width)
                        }
                    }
                }
            },
            item("add", hidden) { bench in
                let (x, y) = (bench.numbers(tokens * width), bench.numbers(tokens * width))
                return bench.kernel("add", hidden, .moving(3 * tokens * width)) { pool in
                    pool.forEachRange(tokens * width, tileSize: 1 << 14) { range, _ in
                        add(x + range.lowerBound, to: y + range.lowerBound, count: range.count)
                    }
                }
            },
        ]
        if isLlama {
            cases.append(
                item("SwiGLU", Trace.Shape(rows: tokens, inputs: 2 * model.feedForwardSize)) { bench in
                    let gateUp = bench.tensor(tokens, 2 * model.feedForwardSize)
                    return bench.step { $0.swiGLU(gateUp) }
                })
        } else {
            cases += [
                item("GELU", expanded) { bench in
                    let (x, y) = (bench.numbers(count), bench.numbers(count))
                    return bench.kernel("GELU", expanded, .moving(2 * count)) { pool in
                        pool.forEachRange(count, tileSize: 1 << 13) { range, _ in
                            geluTanh(x + range.lowerBound, into: y + range.lowerBound, count: range.count)
                        }
                    }
                },
                item("GELU, backward", expanded) { bench in
                    let (x, dy) = (bench.numbers(count), bench.numbers(count))
                    return bench.kernel("GELU, backward", expanded, .moving(3 * count)) { pool in
                        pool.forEachRange(count, tileSize: 1 << 13) { range, _ in
                            geluTanhBackward(dy + range.lowerBound, inputs: x + range.lowerBound, count: range.count)
                        }
                    }
                },
            ]
        }
        return cases
    }

    // MARK: Both ends of the model

    private var lossCases: [KernelCase] {
        let vocabulary = model.vocabularySize
        return [
            item("embedding", Trace.Shape(rows: tokens, inputs: width)) { bench in
                let table = bench.tensor(vocabulary, width)
                let ids = bench.ids(tokens, below: vocabulary)
                return bench.step { $0.embedding(ids, table: table) }
            },
            item("linear cross-entropy", Trace.Shape(rows: tokens, inputs: width, outputs: vocabulary)) { bench in
                let (hidden, weight) = (bench.tensor(tokens, width), bench.tensor(vocabulary, width))
                let targets = bench.ids(tokens, below: vocabulary)
                return bench.step { tape in
                    _ = tape.linearCrossEntropy(hidden, weight: weight, targets: targets, scale: 1 / Float(tokens))
                    return nil
                }
            },
        ]
    }

    private var updateCases: [KernelCase] {
        let count = model.parameterCount
        let shape = Trace.Shape(rows: 1, inputs: count)
        return [
            item("gradient norm", shape) { bench in
                let gradients = UnsafeMutableBufferPointer(start: bench.numbers(count), count: count)
                let norm = GradientNorm(ranges: [0..<count])
                return bench.kernel("gradient norm", shape, .moving(count)) { pool in
                    _ = norm.sumOfSquares(gradients, pool: pool)
                }
            },
            item("AdamW", shape) { bench in
                let values = UnsafeMutableBufferPointer(start: bench.numbers(count), count: count)
                let gradients = UnsafePointer(bench.numbers(count))
                let optimizer = AdamW(
                    OptimizerConfiguration(), count: count, segments: [.init(range: 0..<count, isDecayed: true)])
                return bench.kernel("AdamW", shape, .moving(7 * count)) { pool in
                    optimizer.update(
                        values: values, gradients: gradients, step: 10, learningRate: 1e-4, gradientNorm: 2,
                        pool: pool)
                }
            },
        ]
    }
}
