// The measure that the operator is held against: a small operator written with controller-runtime that makes the same
// children for the same QuorumNodes. It gets them rendered, as a file with placeholders, so that it spends nothing on keys,
// certificates or decisions; what it does per node is what no operator can leave out: watch, apply, write a status.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	fieldOwner      = "baseline"
	hashAnnotation  = "baseline/applied"
	managedByLabel  = "app.kubernetes.io/managed-by"
	managedBy       = "quorum-operator"
	instanceLabel   = "app.kubernetes.io/instance"
	componentLabel  = "quorum-operator.io/component"
	concurrentNodes = 16 // as many as ours
)

var nodeKind = schema.GroupVersionKind{Group: "quorum-operator.io", Version: "v1alpha1", Kind: "QuorumNode"}

// template is what the file holds: JSON with the placeholders __NAME__, __NAMESPACE__ and __UID__.
type template struct {
	Children []json.RawMessage `json:"children"`
	Status   json.RawMessage   `json:"status"`
}

type nodeReconciler struct {
	client   client.Client
	template template
}

func (r *nodeReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	node := newNode()
	if err := r.client.Get(ctx, request.NamespacedName, node); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	replacer := func(text json.RawMessage) []byte {
		text = bytes.ReplaceAll(text, []byte("__NAMESPACE__"), []byte(node.GetNamespace()))
		text = bytes.ReplaceAll(text, []byte("__NAME__"), []byte(node.GetName()))
		return bytes.ReplaceAll(text, []byte("__UID__"), []byte(node.GetUID()))
	}
	for _, child := range r.template.Children {
		if err := r.apply(ctx, replacer(child)); err != nil {
			return ctrl.Result{}, err
		}
	}
	return ctrl.Result{}, r.writeStatus(ctx, node, replacer(r.template.Status))
}

// apply sends nothing when the cache holds what is wanted.
func (r *nodeReconciler) apply(ctx context.Context, text []byte) error {
	desired := &unstructured.Unstructured{}
	if err := json.Unmarshal(text, &desired.Object); err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	hash := hex.EncodeToString(sum[:])
	typed, err := scheme.Scheme.New(desired.GroupVersionKind())
	if err != nil {
		return err
	}
	live := typed.(client.Object)
	key := types.NamespacedName{Namespace: desired.GetNamespace(), Name: desired.GetName()}
	err = r.client.Get(ctx, key, live)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err == nil && live.GetAnnotations()[hashAnnotation] == hash {
		return nil
	}
	annotations := desired.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[hashAnnotation] = hash
	desired.SetAnnotations(annotations)
	return r.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(desired), client.FieldOwner(fieldOwner), client.ForceOwnership)
}

func (r *nodeReconciler) writeStatus(ctx context.Context, node *unstructured.Unstructured, text []byte) error {
	observed, _, _ := unstructured.NestedInt64(node.Object, "status", "observedGeneration")
	if observed == node.GetGeneration() {
		return nil
	}
	status := map[string]any{}
	if err := json.Unmarshal(text, &status); err != nil {
		return err
	}
	status["observedGeneration"] = node.GetGeneration()
	written := newNode()
	written.SetNamespace(node.GetNamespace())
	written.SetName(node.GetName())
	written.Object["status"] = status
	return r.client.Status().Patch(ctx, written, client.Apply, client.FieldOwner(fieldOwner), client.ForceOwnership)
}

func newNode() *unstructured.Unstructured {
	node := &unstructured.Unstructured{}
	node.SetGroupVersionKind(nodeKind)
	return node
}

// nodeOf finds the node that a child belongs to by its labels: some children have no owner, so that they outlive it.
func nodeOf(_ context.Context, object client.Object) []reconcile.Request {
	held := object.GetLabels()
	if held[componentLabel] != "node" || held[instanceLabel] == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: object.GetNamespace(), Name: held[instanceLabel]}}}
}

func run(templateFile string) error {
	text, err := os.ReadFile(templateFile)
	if err != nil {
		return err
	}
	reconciler := &nodeReconciler{}
	if err := json.Unmarshal(text, &reconciler.template); err != nil {
		return fmt.Errorf("%s: %w", templateFile, err)
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	config.QPS = -1 // the client's own limit would be what is measured
	ours := cache.ByObject{Label: labels.SelectorFromSet(labels.Set{managedByLabel: managedBy})}
	children := []client.Object{
		&corev1.Secret{}, &corev1.ConfigMap{}, &corev1.Service{}, &corev1.Pod{}, &corev1.PersistentVolumeClaim{},
		&appsv1.StatefulSet{}, &networkingv1.NetworkPolicy{}, &policyv1.PodDisruptionBudget{},
	}
	selected := map[client.Object]cache.ByObject{}
	for _, child := range children {
		selected[child] = ours
	}
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Metrics: server.Options{BindAddress: "0"},
		Cache:   cache.Options{ByObject: selected},
		Client:  client.Options{Cache: &client.CacheOptions{Unstructured: true}},
	})
	if err != nil {
		return err
	}
	reconciler.client = manager.GetClient()
	builder := ctrl.NewControllerManagedBy(manager).
		For(newNode()).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrentNodes})
	for _, child := range children {
		builder = builder.Watches(child, handler.EnqueueRequestsFromMapFunc(nodeOf))
	}
	if err := builder.Complete(reconciler); err != nil {
		return err
	}
	return manager.Start(ctrl.SetupSignalHandler())
}

func main() {
	templateFile := flag.String("template", "", "file with the children and the status of one node")
	flag.Parse()
	log.SetLogger(zap.New())
	if err := run(*templateFile); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
