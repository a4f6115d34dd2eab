# A table from a table: seconds, not worth a place in a queue.
localrules:
    verdict,


rule encode:
    """Train the encoders of one modality, all splits together."""
    input:
        cohort=rules.ingest.output.cohort,
        splits=rules.split.output,
    output:
        "<results>/{cohort}/{target}/intermediate/encodings/{modality}.npz",
    log:
        "<logs>/{cohort}/{target}/encode/{modality}.log",
    benchmark:
        "<benchmarks>/{cohort}/{target}/encode/{modality}.tsv"
    conda:
        TORCH_ENV
    threads: 4
    resources:
        # A profile gives GPUs: gpu=1, and device="cuda" where a job without one should fail.
        gpu=0,
        device="auto",
        mem_mb=memory("encode"),
        runtime=runtime("encode"),
    params:
        settings=settings("encoder"),
        seed=CONFIG.seed,
        code=code_of("encode"),
    shell:
        "cch encode --cohort {input.cohort:q} --splits {input.splits:q} --modality {wildcards.modality}"
        " --output {output:q} --settings {params.settings:q} --seed {params.seed}"
        " --device {resources.device} --threads {threads} --log {log:q}"


rule information:
    """Estimate the mutual information of every ordered pair and with the label, in every split."""
    input:
        cohort=rules.ingest.output.cohort,
        splits=rules.split.output,
        encodings=of_every_modality("<results>/{cohort}/{target}/intermediate/encodings/{modality}.npz"),
    output:
        splits="<results>/{cohort}/{target}/intermediate/information.parquet",
        whole=report(
            "<results>/{cohort}/{target}/information.tsv",
            caption="../report/information.rst",
            category="{cohort}",
            subcategory="{target}",
            labels={"table": "information"},
        ),
    log:
        "<logs>/{cohort}/{target}/information.log",
    benchmark:
        "<benchmarks>/{cohort}/{target}/information.tsv"
    conda:
        TORCH_ENV
    threads: 4
    resources:
        gpu=0,
        device="auto",
        mem_mb=memory("information"),
        runtime=runtime("information"),
    params:
        settings=settings("information"),
        seed=CONFIG.seed,
        code=code_of("information"),
    shell:
        "cch information --cohort {input.cohort:q} --splits {input.splits:q} --encodings {input.encodings:q}"
        " --output {output.splits:q} --table {output.whole:q} --settings {params.settings:q} --seed {params.seed}"
        " --device {resources.device} --threads {threads} --log {log:q}"


rule verdict:
    """Decide for every ordered pair, and choose a teacher for every student."""
    input:
        information=rules.information.output.splits,
        pilots=lambda wildcards: rules.pilots.output if CONFIG.criterion.pilot == "network" else [],
    output:
        splits="<results>/{cohort}/{target}/intermediate/verdicts.parquet",
        verdicts=report(
            "<results>/{cohort}/{target}/verdicts.tsv",
            caption="../report/verdicts.rst",
            category="{cohort}",
            subcategory="{target}",
            labels={"table": "verdicts"},
        ),
        teachers=report(
            "<results>/{cohort}/{target}/teachers.tsv",
            caption="../report/teachers.rst",
            category="{cohort}",
            subcategory="{target}",
            labels={"table": "teachers"},
        ),
    log:
        "<logs>/{cohort}/{target}/verdict.log",
    benchmark:
        "<benchmarks>/{cohort}/{target}/verdict.tsv"
    conda:
        "../../envs/base.yaml"
    resources:
        mem_mb=memory("verdict"),
        runtime=runtime("verdict"),
    params:
        settings=settings("criterion"),
        code=code_of("verdict"),
        pilots=lambda wildcards, input: f"--pilots {shlex.quote(str(input.pilots))}" if input.pilots else "",
    shell:
        "cch verdict --information {input.information:q} {params.pilots} --target {wildcards.target}"
        " --output {output.splits:q}"
        " --verdicts {output.verdicts:q} --teachers {output.teachers:q}"
        " --settings {params.settings:q} --log {log:q}"
