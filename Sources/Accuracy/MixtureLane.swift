import Runtime
import Storage
import Threads

/// Two models' parts, compiled for one of several lanes that run mixtures side by side.
final class MixtureLane {
    private let models: Sides<PartedModel>
    private let modules: AttributionModules
    private let keepsParts: Bool
    private var runners: [Side: [AttributionModules.ID: PartRunner]] = [:]

    /// - Parameter keepsParts: whether a part that was compiled is kept, and with it what lends its weights.
    init(_ models: Sides<PartedModel>, _ modules: AttributionModules, keepsParts: Bool = true) {
        self.models = models
        self.modules = modules
        self.keepsParts = keepsParts
    }

    /// The part of that number, as a side runs it.
    func runner(_ side: Side, _ id: AttributionModules.ID) throws(Failure) -> PartRunner {
        if let runner = runners[side]?[id] { return runner }
        let parts = modules.parts[id.graph]
        guard let part = (side == .base ? parts?.base : parts?.other)?[id.part] else {
            throw Failure(.mismatch, "the two bundles are not of the same model")
        }
        let runner = try (side == .base ? models.base : models.other).runner(part)
        if keepsParts { runners[side, default: [:]][id] = runner }
        return runner
    }
}
