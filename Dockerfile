# The same profile as tests and benchmarks: what is tested is what runs.
FROM rust:1-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends clang libclang-dev cmake pkg-config
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/target \
    CARGO_TARGET_DIR=/target cargo build --locked -p acteon && cp /target/debug/acteon /acteon

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --home-dir /acteon acteon && install -d -o acteon /acteon/.acteon
COPY --from=build /acteon /usr/local/bin/acteon
COPY --chown=acteon rules /acteon/rules
USER acteon
WORKDIR /acteon
EXPOSE 8080
ENTRYPOINT ["acteon"]
CMD ["run", "--host", "0.0.0.0"]
