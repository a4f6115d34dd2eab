rule distil:
    """Train the students of one modality from every teacher and every control, all splits together."""
    input:
        cohort=rules.ingest.output.cohort,
        splits=rules.split.output,
        encodings=of_every_modality("<results>/{cohort}/{target}/intermediate/encodings/{modality}.npz"),
    output:
        "<results>/{cohort}/{target}/intermediate/distillations/{student}.npz",
    log:
        "<logs>/{cohort}/{target}/distil/{student}.log",
    benchmark:
        "<benchmarks>/{cohort}/{target}/distil/{student}.tsv"
    conda:
        TORCH_ENV
    threads: 4
    resources:
        gpu=0,
        device="auto",
        mem_mb=memory("distil"),
        runtime=runtime("distil"),
    params:
        settings=settings("distillation"),
        encoder=settings("encoder"),
        seed=CONFIG.seed,
        code=code_of("distil"),
    shell:
        "cch distil --cohort {input.cohort:q} --splits {input.splits:q} --encodings {input.encodings:q}"
        " --student {wildcards.student} --output {output:q}"
        " --settings {params.settings:q} --encoder-settings {params.encoder:q} --seed {params.seed}"
        " --device {resources.device} --threads {threads} --log {log:q}"


rule pilots:
    """Compare the students of the inner folds with those trained alone, for verdicts that ask them."""
    input:
        cohort=rules.ingest.output.cohort,
        splits=rules.split.output,
        encodings=of_every_modality("<results>/{cohort}/{target}/intermediate/encodings/{modality}.npz"),
        distillations=of_every_modality("<results>/{cohort}/{target}/intermediate/distillations/{modality}.npz"),
    output:
        "<results>/{cohort}/{target}/intermediate/pilots.parquet",
    log:
        "<logs>/{cohort}/{target}/pilots.log",
    benchmark:
        "<benchmarks>/{cohort}/{target}/pilots.tsv"
    conda:
        "../../envs/base.yaml"
    resources:
        mem_mb=memory("pilots"),
        runtime=runtime("pilots"),
    params:
        code=code_of("pilots"),
    shell:
        "cch pilots --cohort {input.cohort:q} --splits {input.splits:q} --encodings {input.encodings:q}"
        " --distillations {input.distillations:q} --output {output:q} --log {log:q}"


rule references:
    """Fit the reference models of every modality in the same folds."""
    input:
        cohort=rules.ingest.output.cohort,
        splits=rules.split.output,
    output:
        "<results>/{cohort}/{target}/intermediate/references.npz",
    log:
        "<logs>/{cohort}/{target}/references.log",
    benchmark:
        "<benchmarks>/{cohort}/{target}/references.tsv"
    conda:
        "../../envs/base.yaml"
    threads: 4
    resources:
        mem_mb=memory("references"),
        runtime=runtime("references"),
    params:
        settings=settings("references"),
        seed=CONFIG.seed,
        code=code_of("references"),
    shell:
        "cch references --cohort {input.cohort:q} --splits {input.splits:q} --output {output:q}"
        " --settings {params.settings:q} --seed {params.seed} --threads {threads} --log {log:q}"


rule evaluate:
    """Score every student on the test patients of every outer split, and the verdicts by the gains."""
    input:
        cohort=rules.ingest.output.cohort,
        splits=rules.split.output,
        encodings=of_every_modality("<results>/{cohort}/{target}/intermediate/encodings/{modality}.npz"),
        distillations=of_every_modality("<results>/{cohort}/{target}/intermediate/distillations/{modality}.npz"),
        references=rules.references.output,
        verdicts=rules.verdict.output.splits,
    output:
        gains=report(
            "<results>/{cohort}/{target}/gains.tsv",
            caption="../report/gains.rst",
            category="{cohort}",
            subcategory="{target}",
            labels={"table": "gains"},
        ),
        references=report(
            "<results>/{cohort}/{target}/references.tsv",
            caption="../report/references.rst",
            category="{cohort}",
            subcategory="{target}",
            labels={"table": "reference models"},
        ),
        scorecard=report(
            "<results>/{cohort}/{target}/scorecard.tsv",
            caption="../report/scorecard.rst",
            category="{cohort}",
            subcategory="{target}",
            labels={"table": "scorecard"},
        ),
        pairs="<results>/{cohort}/{target}/intermediate/pairs.parquet",
        summary="<results>/{cohort}/{target}/intermediate/summary.parquet",
        performance="<results>/{cohort}/{target}/intermediate/performance.parquet",
    log:
        "<logs>/{cohort}/{target}/evaluate.log",
    benchmark:
        "<benchmarks>/{cohort}/{target}/evaluate.tsv"
    conda:
        "../../envs/base.yaml"
    resources:
        mem_mb=memory("evaluate"),
        runtime=runtime("evaluate"),
    params:
        code=code_of("evaluate"),
    shell:
        "cch evaluate --cohort {input.cohort:q} --splits {input.splits:q} --encodings {input.encodings:q}"
        " --distillations {input.distillations:q} --references {input.references:q} --verdicts {input.verdicts:q}"
        " --gains {output.gains:q} --reference-table {output.references:q} --scorecard {output.scorecard:q}"
        " --pairs {output.pairs:q} --summary {output.summary:q} --performance {output.performance:q} --log {log:q}"


rule student:
    """Save the model of each modality: taught by the chosen teacher, or trained alone."""
    input:
        cohort=rules.ingest.output.cohort,
        splits=rules.split.output,
        encodings=of_every_modality("<results>/{cohort}/{target}/intermediate/encodings/{modality}.npz"),
        distillations=of_every_modality("<results>/{cohort}/{target}/intermediate/distillations/{modality}.npz"),
        verdicts=rules.verdict.output.verdicts,
        teachers=rules.verdict.output.teachers,
        summary=rules.evaluate.output.summary,
        performance=rules.evaluate.output.performance,
    output:
        # The modalities differ between cohorts, so they cannot be listed here.
        directory("<results>/{cohort}/{target}/students"),
    log:
        "<logs>/{cohort}/{target}/student.log",
    benchmark:
        "<benchmarks>/{cohort}/{target}/student.tsv"
    conda:
        "../../envs/base.yaml"
    resources:
        mem_mb=memory("student"),
        runtime=runtime("student"),
    params:
        code=code_of("student"),
    shell:
        "cch student --cohort {input.cohort:q} --splits {input.splits:q} --encodings {input.encodings:q}"
        " --distillations {input.distillations:q} --verdicts {input.verdicts:q} --teachers {input.teachers:q}"
        " --summary {input.summary:q} --performance {input.performance:q} --output {output:q} --log {log:q}"
