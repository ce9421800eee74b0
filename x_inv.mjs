import * as ort from "onnxruntime-node";
const H=384, layers=6, heads=12;
let seed=1; const rnd=()=>{ // xorshift gaussian-ish
  let s=0; for(let i=0;i<4;i++){seed^=seed<<13;seed^=seed>>>17;seed^=seed<<5;s+=(seed>>>0)/4294967296-0.5;} return s*1.7; };
const F=(n)=>Float32Array.from({length:n},rnd);
const T=(d,...s)=>new ort.Tensor("float32",d,s);
const I=(a,...s)=>new ort.Tensor("int64",BigInt64Array.from(a.map(BigInt)),s);
for (const [path,shapes] of [["models/qqp-paraphrase/denoiser.onnx",[[16,16],[24,32],[32,48]]],["models/xsum-summary/denoiser.onnx",[[48,256],[32,176]]]])
for (const threads of [1,2]) for (const fold of ["0","1"]) {
 const s=await ort.InferenceSession.create(path,{executionProviders:["cpu"],graphOptimizationLevel:"all",intraOpNumThreads:threads,interOpNumThreads:1,logSeverityLevel:3,extra:{session:{force_spinning_stop:"1",disable_quant_qdq:fold}}});
 for (const [L,S] of shapes) {
  const N=16; const x=F(N*L*H), p=F(N*L*H), no=F(N*L*H), k=F(N*layers*heads*S*32), v=F(N*layers*heads*S*32), t=Float32Array.from({length:N},(_,i)=>(i+1)/17), bias=new Float32Array(N*S), co=new Float32Array(N*6);
  for(let i=0;i<N;i++){ co.set([.5,.5,.1,.1,.3,.95],i*6); for(let j=S-(i%7);j<S;j++) bias[i*S+j]=-1e9; }
  const run=async(from,B,pad=0)=>{const S2=S+pad; const sub=(a,n)=>a.subarray(from*n,(from+B)*n);
   let kk=sub(k,layers*heads*S*32),vv=sub(v,layers*heads*S*32),bb=sub(bias,S);
   if(pad){const grow=(a)=>{const o=new Float32Array(B*layers*heads*S2*32);for(let r=0;r<B*layers*heads;r++)o.set(a.subarray(r*S*32,(r+1)*S*32),r*S2*32);return o;};kk=grow(kk);vv=grow(vv);const o=new Float32Array(B*S2).fill(-1e9);for(let r=0;r<B;r++)o.set(bb.subarray(r*S,(r+1)*S),r*S2);bb=o;}
   const idx=Array.from({length:B},(_,i)=>i);
   const o=await s.run({x:T(sub(x,L*H),B,L,H),previous:T(sub(p,L*H),B,L,H),t:T(sub(t,1),B),keys:T(kk,B,layers,heads,S2,32),values:T(vv,B,layers,heads,S2,32),bias:T(bb,B,S2),coefficients:T(sub(co,6),B,6),noise:T(sub(no,L*H),B,L,H),positive:I(idx,B),negative:I(idx,B),guidance:T(new Float32Array(B),B)});
   return o.x_next.data; };
  const alone=[]; for(let i=0;i<N;i++) alone.push(await run(i,1));
  const res=[];
  for (const B of [2,3,4,5,7,8,11,16]) { let bad=0,mx=0; for(let f=0;f+B<=N;f+=B){const o=await run(f,B); for(let r=0;r<B;r++) for(let j=0;j<L*H;j++){const d=Math.abs(o[r*L*H+j]-alone[f+r][j]); if(d>0){bad++; if(d>mx)mx=d;}}} res.push(`${B}:${bad?mx.toExponential(1):"="}`);}
  let padres=[]; for(const pad of [1,16,32]){const o=await run(3,1,pad); let mx=0; for(let j=0;j<L*H;j++) mx=Math.max(mx,Math.abs(o[j]-alone[3][j])); padres.push(`${pad}:${mx?mx.toExponential(1):"="}`);}
  const time={}; for(const B of [1,2,4,8,16]){await run(0,B); let best=1e9; for(let i=0;i<4;i++){const b=performance.now(); await run(0,B); best=Math.min(best,performance.now()-b);} time[B]=best.toFixed(1);}
  console.log(path.slice(7,11),"threads",threads,"fold",fold,"L",L,"S",S,res.join(" "),"| pad",padres.join(" "),"| ms",JSON.stringify(time));
 } await s.release(); }
