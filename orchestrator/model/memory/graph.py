"""The graph that llama.cpp computes for one batch, as far as its memory goes.

One builder for the transformers that llama.cpp knows: what a layer has is read from the names of its tensors. It
follows `build_llama` and its kin in llama.cpp's source; what changed over time stands in `GraphEra`.
"""

from __future__ import annotations

from orchestrator.eras.memory import GraphEra
from orchestrator.model.memory.allocator import EXTERNAL, F16, F32, I32, I64, Graph, GraphTensor
from orchestrator.model.memory.shape import Layer, Shape
from orchestrator.values import Value


class Batch(Value):
    """What one batch is: tokens, how many of them want logits, and how many cells of the KV cache it looks at."""

    n_tokens: int
    n_outputs: int
    n_kv: int
    n_kv_window: int
    flash_attn: bool
    quantized_k: bool = False
    quantized_v: bool = False


def build(shape: Shape, batch: Batch, era: GraphEra) -> Graph:
    """The graph of one batch."""
    return _Builder(shape, batch, era).build()


class _Builder:
    def __init__(self, shape: Shape, batch: Batch, era: GraphEra) -> None:
        self.shape, self.batch, self.era = shape, batch, era
        self.graph = Graph()
        self.k_rotation: GraphTensor | None = None
        self.v_rotation: GraphTensor | None = None

    def build(self) -> Graph:
        graph, shape, n_tokens = self.graph, self.shape, self.batch.n_tokens
        tokens = graph.input(n_tokens, element_bytes=I32)
        now = graph.new((shape.n_embd, n_tokens), EXTERNAL, tokens)
        if shape.architecture.startswith("gemma"):
            now = graph.over(now)
        if self.era.embedding_input:
            graph.expand(now)
            graph.expand(graph.input(shape.n_embd, n_tokens))
        positions = graph.input(n_tokens, element_bytes=I32)
        self._inputs()
        outputs = graph.input(self.batch.n_outputs, element_bytes=I32)
        for index, layer in enumerate(shape.layers):
            before = now
            now = self._norm(now)
            now = self._attention(layer, now, positions) if not layer.recurrent else self._state(now)
            if self.era.outputs_only and index == len(shape.layers) - 1:
                now = graph.new((shape.n_embd, self.batch.n_outputs), now, outputs)
                before = graph.new((shape.n_embd, self.batch.n_outputs), before, outputs)
            if "post_attention_norm.weight" in layer.tensors and "ffn_norm.weight" in layer.tensors:
                now = self._norm(now)
            now = between = graph.over(now, before)
            now = self._feed_forward(layer, self._norm(now))
            if "post_ffw_norm.weight" in layer.tensors:
                now = self._norm(now)
            now = graph.over(now, between)
        now = graph.mul_mat(shape.n_vocab, self._norm(now))
        if shape.logits_cap:
            now = graph.over(graph.over(graph.over(now)))
        graph.expand(now)
        return graph

    def _inputs(self) -> None:
        graph, batch = self.graph, self.batch
        windows = {layer.window is not None for layer in self.shape.layers if not layer.recurrent}
        self.masks = {window: self._mask(batch.n_kv_window if window else batch.n_kv) for window in sorted(windows)}
        widest = max((layer.v_width for layer in self.shape.layers), default=0)
        rows = 1 if batch.flash_attn else widest
        self.k_rows = {window: graph.input(batch.n_tokens, element_bytes=I64) for window in windows}
        self.v_rows = {window: graph.input(batch.n_tokens * rows, element_bytes=I64) for window in windows}
        if self.era.rotated and batch.quantized_k:
            self.k_rotation = graph.input(128, 128)
        if self.era.rotated and batch.quantized_v:
            self.v_rotation = graph.input(64, 64)

    def _mask(self, n_kv: int) -> GraphTensor:
        graph, batch = self.graph, self.batch
        if self.era.f16_mask and batch.flash_attn:
            return graph.input(n_kv, batch.n_tokens, element_bytes=F16)
        mask = graph.input(n_kv, batch.n_tokens, element_bytes=F32)
        return graph.new(mask.shape, mask, element_bytes=F16) if batch.flash_attn else mask

    def _norm(self, x: GraphTensor) -> GraphTensor:
        return self.graph.over(self.graph.over(x), EXTERNAL)

    def _attention(self, layer: Layer, x: GraphTensor, positions: GraphTensor) -> GraphTensor:
        graph, batch, n_tokens = self.graph, self.batch, self.batch.n_tokens
        if "attn_kv_a_mqa.weight" in layer.tensors:
            q, k, v = self._latent(layer, x, positions)
        else:
            q, k, v = self._project(layer, x)
            if "attn_q_norm.weight" in layer.tensors:
                q, k = self._norm(q), self._norm(k)
            q, k = graph.over(q, positions), graph.over(k, positions)
            if self.shape.architecture in ("gemma", "gemma2", "gemma3"):
                q = graph.over(q)
        if self.k_rotation is not None:
            q, k = self._rotate(q, self.k_rotation), self._rotate(k, self.k_rotation)
        if self.v_rotation is not None:
            v = self._rotate(v, self.v_rotation)
        graph.expand(q)
        for update in (v, k) if self.era.row_indices else (k, v):
            graph.expand(update)
        self._store(layer, k, v)
        windowed = layer.window is not None
        mask, n_kv = self.masks[windowed], batch.n_kv_window if windowed else batch.n_kv
        q = graph.view(q, layer.head_k, n_tokens, layer.n_head)
        own_v = layer.tensors.get("attn_output.weight", (0,))[0] // max(layer.n_head, 1)
        if batch.flash_attn:
            now = graph.new((layer.head_v, layer.n_head, n_tokens), q, EXTERNAL, EXTERNAL, mask)
            if "attn_v_b.weight" in layer.tensors:
                now = graph.new((own_v, n_tokens, layer.n_head), EXTERNAL, graph.view(now, *now.shape))
                now = graph.new((own_v, layer.n_head, n_tokens), graph.view(now, *now.shape))
            now = graph.reshape(now, now.shape[0] * layer.n_head, n_tokens)
        else:
            scores = graph.new((n_kv, n_tokens, layer.n_head), EXTERNAL, q)
            if self.shape.attention_cap:
                scores = graph.over(graph.over(graph.over(scores)))
            scores = graph.over(scores, mask)
            values = EXTERNAL
            if self.era.latent_without_v and self.shape.latent:
                values = graph.new((n_kv, layer.head_v), EXTERNAL, element_bytes=F16)
            now = graph.new((layer.head_v, n_tokens, layer.n_head), values, scores)
            if "attn_v_b.weight" in layer.tensors:
                now = graph.new((own_v, n_tokens, layer.n_head), EXTERNAL, now)
            now = graph.new((now.shape[0] * layer.n_head, n_tokens), graph.view(now, *now.shape))
        graph.expand(now)
        if self.v_rotation is not None:
            now = self._rotate(now, self.v_rotation)
        now = graph.mul_mat(self.shape.n_embd, now)
        return graph.over(now, EXTERNAL) if "attn_output.bias" in layer.tensors else now

    def _project(self, layer: Layer, x: GraphTensor) -> tuple[GraphTensor, GraphTensor, GraphTensor]:
        graph, n_tokens = self.graph, self.batch.n_tokens
        shapes = (
            ("attn_q", layer.head_k, layer.n_head),
            ("attn_k", layer.head_k, layer.n_head_kv),
            ("attn_v", layer.head_v, layer.n_head_kv),
        )
        if "attn_qkv.weight" in layer.tensors:
            joined = graph.mul_mat(sum(head * n for _, head, n in shapes), x)
            if "attn_qkv.bias" in layer.tensors:
                joined = graph.over(joined, EXTERNAL)
            q, k, v = (graph.view(joined, head, n, n_tokens) for _, head, n in shapes)
            return q, k, v
        projected = []
        for name, head, n in shapes:
            now = graph.mul_mat(head * n, x)
            if f"{name}.bias" in layer.tensors:
                now = graph.over(now, EXTERNAL)
            projected.append(graph.reshape(now, head, n, n_tokens))
        q, k, v = projected
        return q, k, v

    def _latent(
        self, layer: Layer, x: GraphTensor, positions: GraphTensor
    ) -> tuple[GraphTensor, GraphTensor, GraphTensor]:
        """Multi-head latent attention (deepseek2): K and V come out of one short vector."""
        graph, n_tokens, tensors = self.graph, self.batch.n_tokens, layer.tensors
        q_name = "attn_q_b.weight" if "attn_q_b.weight" in tensors else "attn_q.weight"
        q = self._norm(graph.mul_mat(tensors["attn_q_a.weight"][1], x)) if "attn_q_a.weight" in tensors else x
        q_rows = tensors[q_name][1] if q_name in tensors else layer.head_k * layer.n_head
        q = graph.mul_mat(q_rows, q)
        latent = graph.mul_mat(tensors["attn_kv_a_mqa.weight"][1], x)
        width = latent.shape[0]
        if "attn_k_b.weight" in tensors:
            absorbed = graph.new((layer.head_k, layer.n_head, n_tokens), EXTERNAL, graph.view(q, *q.shape))
            q = graph.new((layer.head_k, layer.n_head, n_tokens), graph.over(q, positions), absorbed)
            k = graph.new((width, 1, n_tokens), self._norm(graph.view(latent, width, n_tokens)), latent)
            return q, k, graph.view(k, layer.head_v, 1, n_tokens)
        rows = tensors["attn_kv_b.weight"][1] if "attn_kv_b.weight" in tensors else layer.v_width * 2
        joined = graph.mul_mat(rows, self._norm(graph.new((width, n_tokens), graph.view(latent, width, n_tokens))))
        v = graph.new((layer.head_v, layer.n_head_kv, n_tokens), graph.view(joined, layer.v_width, n_tokens))
        part = graph.new((layer.head_k, n_tokens), graph.view(latent, width, n_tokens))
        k = graph.new((layer.head_k, layer.n_head_kv, n_tokens), graph.view(joined, rows, n_tokens), part)
        turned = graph.new((layer.head_k, n_tokens), graph.view(q, *q.shape), positions)
        q = graph.new((layer.head_k, layer.n_head, n_tokens), graph.view(q, *q.shape), turned)
        return q, k, v

    def _rotate(self, x: GraphTensor, rotation: GraphTensor) -> GraphTensor:
        graph, size = self.graph, rotation.shape[0]
        n = 1
        for extent in x.shape:
            n *= extent
        turned = graph.new((size, n // size), rotation, graph.reshape(x, size, n // size))
        return graph.reshape(turned, *x.shape)

    def _store(self, layer: Layer, k: GraphTensor, v: GraphTensor) -> None:
        graph, n_tokens = self.graph, self.batch.n_tokens
        windowed = layer.window is not None
        if self.era.row_indices:
            for rows, what, width in ((self.k_rows, k, layer.k_width), (self.v_rows, v, layer.v_width)):
                flat = graph.reshape(what, width, n_tokens)
                graph.expand(graph.store(flat, rows[windowed]))
            return
        graph.expand(graph.store(k))
        graph.expand(graph.store(graph.view(v, layer.v_width, n_tokens)))

    def _state(self, x: GraphTensor) -> GraphTensor:
        """A recurrent layer, roughly: the widened input twice, and the state's update beside it."""
        graph, n_tokens = self.graph, self.batch.n_tokens
        inner = max(self.shape.state_r, self.shape.n_embd * 2)
        wide = graph.mul_mat(2 * inner, x)
        conv = graph.new((inner, n_tokens), graph.view(wide, inner, n_tokens))
        scan = graph.new((inner * n_tokens + self.shape.state_s,), conv)
        gated = graph.new((inner, n_tokens), graph.view(scan, inner, n_tokens), graph.view(wide, inner, n_tokens))
        return graph.mul_mat(self.shape.n_embd, gated)

    def _feed_forward(self, layer: Layer, x: GraphTensor) -> GraphTensor:
        tensors = layer.tensors
        if "ffn_gate_inp.weight" not in tensors:
            return self._dense(layer, x, "ffn_{}")
        now = self._experts(layer, x)
        if "ffn_down_shexp.weight" in tensors:
            shared = self._dense(layer, x, "ffn_{}_shexp")
            if "ffn_gate_inp_shexp.weight" in tensors:
                gate = self.graph.mul_mat(1, x)
                shared = self.graph.over(shared, self.graph.over(gate))
            now = self.graph.over(now, shared)
        return now

    def _dense(self, layer: Layer, x: GraphTensor, names: str) -> GraphTensor:
        graph, tensors = self.graph, layer.tensors
        up_name, gate_name, down_name = (f"{names.format(part)}.weight" for part in ("up", "gate", "down"))
        if up_name not in tensors:
            return x
        rows = tensors[up_name][-1]
        up = self._biased(graph.mul_mat(rows, x), f"{names.format('up')}.bias", layer)
        inner = tensors[down_name][0] if down_name in tensors else rows
        if gate_name in tensors:
            gate = self._biased(graph.mul_mat(rows, x), f"{names.format('gate')}.bias", layer)
            now = self._glu(gate, up)
        elif rows == 2 * inner:
            now = self._halves(up, inner)
        else:
            now = graph.over(up)
        return self._biased(graph.mul_mat(self.shape.n_embd, now), f"{names.format('down')}.bias", layer)

    def _glu(self, gate: GraphTensor, up: GraphTensor) -> GraphTensor:
        if self.era.split_glu:
            return self.graph.new(gate.shape, gate, up)
        return self.graph.over(self.graph.over(gate), up)

    def _halves(self, joined: GraphTensor, inner: int) -> GraphTensor:
        """Gate and up in one product."""
        graph, rest = self.graph, joined.shape[1:]
        if self.era.split_glu:
            return graph.new((inner, *rest), joined)
        first = graph.new((inner, *rest), graph.view(joined, inner, *rest))
        second = graph.new((inner, *rest), graph.view(joined, inner, *rest))
        return graph.over(graph.over(first), second)

    def _biased(self, x: GraphTensor, name: str, layer: Layer) -> GraphTensor:
        return self.graph.over(x, EXTERNAL) if name in layer.tensors else x

    def _experts(self, layer: Layer, x: GraphTensor) -> GraphTensor:
        graph, tensors, used = self.graph, layer.tensors, self.shape.n_expert_used
        n_embd, n_tokens = x.shape[0], x.shape[1]
        logits = graph.mul_mat(self.shape.n_expert, x)
        probabilities = graph.over(logits)
        chosen = graph.view(
            graph.new((self.shape.n_expert, n_tokens), probabilities, element_bytes=I32), used, n_tokens
        )
        weights = graph.new((1, used, n_tokens), graph.reshape(probabilities, 1, self.shape.n_expert, n_tokens), chosen)
        flat = graph.reshape(weights, used, n_tokens)
        weights = graph.reshape(graph.over(flat, graph.new((1, n_tokens), flat)), 1, used, n_tokens)
        if self.era.row_indices:
            graph.expand(weights)
        x = graph.reshape(x, n_embd, 1, n_tokens)
        if "ffn_gate_up_exps.weight" in tensors:
            rows = tensors["ffn_gate_up_exps.weight"][1]
            joined = graph.new((rows, used, n_tokens), EXTERNAL, x, chosen)
            now = graph.new((rows // 2, used, n_tokens), joined)
        else:
            rows = tensors["ffn_up_exps.weight"][1] if "ffn_up_exps.weight" in tensors else 0
            up = graph.new((rows, used, n_tokens), EXTERNAL, x, chosen)
            gate = graph.new((rows, used, n_tokens), EXTERNAL, x, chosen)
            now = graph.new(gate.shape, gate, up) if self.era.split_glu else graph.over(up, graph.over(gate))
        now = graph.over(graph.new((n_embd, used, n_tokens), EXTERNAL, now, chosen), weights)
        if self.era.row_indices:
            graph.expand(now)
        views = [graph.view(now, n_embd, n_tokens) for _ in range(used)]
        if self.era.row_indices:
            for view in views:
                graph.expand(view)
        total = views[0]
        for view in views[1:]:
            total = graph.over(total, view)
            if self.era.row_indices:
                graph.expand(total)
        return total if len(views) > 1 else graph.new((n_embd, n_tokens), total)
