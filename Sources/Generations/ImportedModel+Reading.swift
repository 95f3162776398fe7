import Checkpoints
import GraphIR
import Prompts
import Storage

extension ImportedModel {
    init<G: Generation>(
        _ source: any ModelSource, _: G.Type, _ options: ImportOptions = ImportOptions()
    ) throws(Failure) {
        let (json, file) = try source.configuration()
        let reading = try ConfigurationReading<G>(json, file: file)
        let (checkpoint, stored) = try source.weights(reading.config)
        self.checkpoint = checkpoint
        let adapters = try options.adapters.map { (folder) throws(Failure) in try Adapter(folder) }
        let weights = reading.table.published(stored)
        let adapted = try AdaptedWeights(weights, reading.table, adapters)
        files = checkpoint.files + adapters.flatMap(\.files)
        plan = try CheckpointPlan(
            reading, adapted.weights, of: source.origin, passedOver: checkpoint.passedOver,
            leftOut: stored.unneeded + adapted.replaced)
        drafting = DraftingTensors(checkpoint, reading.table, hasWholeNorms: stored.hasWholeNorms)
        // Noise says nothing.
        let doubt =
            checkpoint.files.isEmpty
            ? []
            : try NormFactors(weights, reading.table).check(areWhole: stored.hasWholeNorms, in: source.origin)
        var ledger = SettingsLedger(ignoring: options.ignoredSettings)
        let generation = try source.generationSettings()
        let defaults = try GenerationDefaults(generation, reading.config)
        try source.enter(generation: generation, reading.config, in: &ledger)
        var folder = SettingsFolder(
            source: source, config: reading.config, options: options, stopTokens: defaults.stopTokens,
            embeddingRows: plan.graph.weights.first { $0.name == "text.embedding.weight" }?.shape.extents[0]
                ?? 0,
            ledger: ledger, warnings: checkpoint.warnings + source.warnings + plan.warnings + doubt)
        if let stated = checkpoint.statedByteCount, stated != checkpoint.byteCount {
            folder.warnings.append(
                "the index states \(stated) bytes of tensors, but the files hold \(checkpoint.byteCount)")
        }
        var prompt = try reading.model.makePrompt(&folder)
        let tokenizer = try folder.readTokenizer(&prompt)
        try folder.checkTokens(of: prompt)
        try source.enter(reading.config, unproven: reading.unproven, in: &folder.ledger)
        self.prompt = prompt
        self.tokenizer = tokenizer?.serialized() ?? []
        sampling = defaults.sampling
        settings = folder.ledger
        notes = adapted.notes
        warnings = adapters.flatMap(\.warnings) + folder.warnings + folder.ledger.warnings
    }
}

extension SettingsFolder {
    /// The tokenizer, if there is one, checked against what prompts need of it; adds to them the tokens that end an answer
    /// although no file lists them.
    fileprivate mutating func readTokenizer(_ prompt: inout PromptSettings) throws(Failure) -> Tokenizer? {
        guard let (tokenizer, end) = try source.tokenizer(&ledger) else {
            warnings.append("the checkpoint has no tokenizer: only token ids can be fed to the model")
            return nil
        }
        let vocabulary = embeddingRows
        var probe = TemplateProbe(settings: prompt, tokenizer: tokenizer, vocabulary: vocabulary)
        do { warnings += try probe.check() } catch { throw error.located(in: source.origin) }
        prompt.template.content = probe.settings.template.content
        if tokenizer.vocabularySize > vocabulary {
            warnings.append(
                "the tokenizer has \(tokenizer.vocabularySize) tokens, but the model knows \(vocabulary): prompts with the others fail"
            )
        }
        let ends = [probe.turnEnd, end.flatMap(Int32.init(exactly:))]
        for end in ends.compactMap(\.self) where !prompt.stopTokens.contains(end) && end < vocabulary {
            warnings.append(
                "no file says that token \(end) (\(tokenizer.decode([end], skipSpecials: false))) ends an answer, but the "
                    + "chat template or the tokenizer does: it ends answers")
            prompt.stopTokens.append(end)
        }
        return tokenizer
    }

    /// Refuses tokens that files state and the model does not know: no bundle with such could be opened.
    fileprivate func checkTokens(of prompt: PromptSettings) throws(Failure) {
        let tokens = [prompt.imageToken] + (prompt.videoToken.map { [$0] } ?? []) + prompt.stopTokens
        guard let far = tokens.first(where: { $0 >= embeddingRows }) else { return }
        throw .badInput(
            "token \(far) is a placeholder or ends answers, but the model knows \(embeddingRows)",
            file: source.origin)
    }
}
